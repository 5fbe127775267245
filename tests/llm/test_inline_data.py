"""Pictures, sounds and files in requests: named by their content in records, billed by kind, told in pieces."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paragrad.llm import Request
from paragrad.llm.embedded.pieces import Pieces
from paragrad.llm.inline import without_data
from paragrad.llm.ledger import IMAGE_TOKENS, MESSAGE_TOKENS, worst_input

KINDS = ("image_url", "input_audio", "file", "text", "linked")


def part(kind: str, data: bytes) -> dict[str, Any]:
    body = base64.b64encode(data).decode()
    return {
        "image_url": {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{body}"}},
        "input_audio": {"type": "input_audio", "input_audio": {"data": body, "format": "wav"}},
        "file": {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{body}"}},
        "text": {"type": "text", "text": body},
        "linked": {"type": "image_url", "image_url": {"url": f"https://example.org/{body}"}},
    }[kind]


def asked(*parts: Any) -> Request:
    return Request([{"role": "system", "content": "Look."}, {"role": "user", "content": list(parts)}])


def digest(request: Request) -> str:
    return Request(without_data(request.messages)).digest()


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.binary(min_size=1, max_size=40)), max_size=4))
def test_a_slim_request_is_as_good_a_name_as_the_whole(found: list[tuple[str, bytes]]) -> None:
    request = asked(*(part(*one) for one in found))
    slim = without_data(request.messages)
    for (kind, _), old, new in zip(found, request.messages[1]["content"], slim[1]["content"], strict=True):
        assert (new == old) == (kind in ("text", "linked"))
        assert new["type"] == old["type"]
    assert digest(request) == digest(asked(*(part(*one) for one in found)))
    for place, (kind, data) in enumerate(found):
        other = [*found[:place], (kind, data + b"x"), *found[place + 1 :]]
        assert digest(asked(*(part(*one) for one in other))) != digest(request)


def test_without_data_there_is_nothing_to_do() -> None:
    messages = [{"role": "user", "content": "a"}, {"role": "user", "content": [part("text", b"a"), "b", {"type": "image_url"}]}]
    assert without_data(messages) is messages


def test_a_picture_is_bounded_by_what_providers_bill_a_sound_by_its_length() -> None:
    def text(size: int) -> int:
        found = worst_input(asked(part("text", bytes(size))))
        assert found is not None
        return found

    image = worst_input(asked(part("image_url", bytes(3_000_000))))
    assert image is not None
    assert IMAGE_TOKENS < image < IMAGE_TOKENS + 400 + 2 * MESSAGE_TOKENS
    sound = worst_input(asked(part("input_audio", bytes(30_000))))
    assert sound is not None
    assert text(30_000) - 100 < sound < text(30_000) + 400
    assert worst_input(asked(part("linked", b"x"))) is None
    assert worst_input(asked(part("file", b"x"))) is None


@given(st.text(alphabet="abSTOP", max_size=30), st.lists(st.sampled_from(["STOP", "ab", "P"]), max_size=2), st.integers(1, 5))
def test_pieces_never_tell_what_is_taken_back(text: str, stops: list[str], step: int) -> None:
    ends = [place for stop in stops if (place := text.find(stop)) >= 0]
    whole = text[: min(ends)] if ends else text
    told: list[str] = []
    pieces = Pieces(stops, told.append)
    for size in range(step, len(text) + 1, step):
        if ends and any(text[:size].find(stop) >= 0 for stop in stops):
            break
        pieces.grow(text[:size])
    pieces.end(whole)
    assert "".join(told) == whole
    assert all(told)


@pytest.mark.parametrize("content", ["a", None, [], ["a"]])
def test_contents_of_every_form_pass(content: Any) -> None:
    assert without_data([{"role": "user", "content": content}]) == [{"role": "user", "content": content}]
