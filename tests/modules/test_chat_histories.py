"""Messages: earlier turns, spliced into the conversation before the last user message."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

import paragrad as pg
from paragrad.data.content import digest
from paragrad.errors import DataError, UsageError

TURNS = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(8)


@pg.prompt(demos=1)
def chat(history: pg.Messages, question: str | None = None) -> str:
    """Answer kindly."""
    ...


def sent(*args: Any, program: Any = chat, **kwargs: Any) -> list[Any]:
    wire = pg.llm.Fake(lambda request: "ok")
    with pg.llm.use(wire):
        program(*args, **kwargs)
    return list(wire.requests[-1].messages)


def test_it_stands_before_the_last_user_message() -> None:
    system = {"role": "system", "content": "Answer kindly."}
    asked = {"role": "user", "content": "What now?"}
    assert sent(pg.Messages(TURNS), "What now?") == [system, *TURNS, asked]
    assert sent(TURNS, question="What now?") == [system, *TURNS, asked], "a list of messages is a history too"
    assert sent(TURNS[:1]) == [system, TURNS[0]], "alone it is the whole conversation"
    assert sent([], "What now?") == [system, asked]
    assert sent([("user", "Hi"), ("assistant", "Hello.")], "What now?") == [system, *TURNS, asked]
    with chat.overlay({"demos": [pg.Demo({"question": "a"}, "b")]}):
        roles = [message["content"] for message in sent(TURNS, "What now?")]
    assert roles == ["Answer kindly.", "a", "b", "Hi", "Hello.", "What now?"]


def test_nothing_to_ask_is_an_error() -> None:
    wire = pg.llm.Fake(lambda request: "x")
    with pg.llm.use(wire), pytest.raises(UsageError, match="nothing is asked"):
        pg.Generator("Answer.", inputs={"history": pg.Messages})(history=[])
    assert wire.calls == 0


def test_turns_may_hold_media_and_tool_calls() -> None:
    image = pg.Image(PICTURE)
    call = {"id": "1", "type": "function", "function": {"name": "find", "arguments": "{}"}}
    history = pg.Messages([
        {"role": "user", "content": ["Look:", image, {"type": "text", "text": "here"}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "found", "tool_call_id": "1"},
    ])  # fmt: skip
    assert history.to_chat()[0]["content"] == [{"type": "text", "text": "Look:"}, image.part(), {"type": "text", "text": "here"}]
    assert history.to_chat()[1:] == [
        {"role": "assistant", "content": None, "tool_calls": [call]}, {"role": "tool", "content": "found", "tool_call_id": "1"}
    ]  # fmt: skip
    assert str(history) == f"user: Look: {image} here\nassistant: calls find\ntool: found"
    assert repr(history) == "Messages(3 turns, last tool)"
    assert history == pg.Messages(history)


def test_it_is_frozen_and_known_by_its_content() -> None:
    given = [dict(turn) for turn in TURNS]
    history = pg.Messages(given)
    given[0]["content"] = "changed"
    assert history[0]["content"] == "Hi"
    history[0]["content"] = "changed"
    assert history == pg.Messages(TURNS)
    assert hash(history) == hash(pg.Messages(TURNS))
    assert digest(history) == digest(pg.Messages(TURNS)) != digest(history[:1])
    assert pickle.loads(pickle.dumps(history)) == history
    more = [("user", "More")]
    longer = history + more
    assert (len(history), len(longer), [turn["role"] for turn in longer[1:]]) == (2, 3, ["assistant", "user"])
    with pytest.raises(AttributeError, match="is frozen"):
        history.x = 1


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("Hi", "not of a str"),
        ({"role": "user", "content": "Hi"}, "not of a dict"),
        (["Hi"], "message 0 is 'Hi'"),
        ([{"role": "bot", "content": "Hi"}], "message 0 has the role 'bot'"),
        ([*TURNS, {"role": "user"}], "message 2 of user has no content"),
        ([{"role": "user", "content": 3}], "message 0 has the content 3"),
        ([{"role": "user", "content": [3]}], "message 0 holds the part 3"),
        ([{"role": "user", "content": "a", "x": object()}], "not JSON-like"),
    ],
)
def test_what_is_no_history_names_the_message(wrong: Any, said: str) -> None:
    with pytest.raises((TypeError, ValueError), match=said):
        pg.Messages(wrong)


def test_rows_hold_histories_as_lists_or_json() -> None:
    wire = pg.llm.Fake(lambda request: "ok")
    rows = [{"history": TURNS, "question": "a", "target": "ok"}, {"history": '[{"role": "user", "content": "Hi"}]', "target": "ok"}]
    found = pg.evaluate(chat, rows, metric="exact_match", model=wire)
    assert found.score == 1.0
    assert sorted(len(request.messages) for request in wire.requests) == [2, 4]
    with pytest.raises(DataError, match=r"row 1, column 'history': .*no JSON list of messages"):
        pg.evaluate(chat, [{"history": "Hi there", "target": "ok"}], metric="exact_match", model=wire)


def test_what_a_chat_answered_can_become_an_example() -> None:
    wire = pg.llm.Fake(lambda request: "ok")
    rows = [{"history": [*TURNS, {"role": "user", "content": str(i)}], "target": "ok"} for i in range(16)]
    result = pg.fit(chat, rows, metric=lambda output, target: 0.6, model=wire, optimizer="bootstrap", budget="400 calls",
                    journal=False, progress=False)  # fmt: skip
    assert result.spent["calls"] > 16
