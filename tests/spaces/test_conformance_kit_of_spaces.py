"""The kit must catch what it promises to catch: one broken law at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from paragrad.spaces import Json, List, Number, Text
from paragrad.testing.spaces import alike, check_space


class ChangesInput(List):
    def check(self, value: Any) -> list[Any]:
        found = super().check(value)
        value.append(1)
        return found


class Aliases(List):
    def check(self, value: Any) -> list[Any]:
        return value if isinstance(value, list) else super().check(value)


class Loses(Text):
    def encode(self, value: str) -> bytes:
        return value.lower().encode()


class Misreads(Text):
    def parse(self, text: str) -> str:
        return text.strip()


class Overlong(Text):
    def show(self, value: str, limit: int | None = None) -> str:
        return value


class Silent(Text):
    def diff(self, a: str, b: str) -> str:
        return ""


class Forgets(Text):
    def options(self) -> dict[str, Any]:
        return {"max_length": None}


class Crashes(Json):
    def parse(self, text: str) -> Any:
        return {}[text]


class Coerces(Number):
    def check(self, value: Any) -> float:
        return super().check(float(value))


class Drifts(Number):
    def apply(self, value: float, update: Any) -> float:
        return value + 1


class Growing(List):
    def check(self, value: Any) -> list[Any]:
        return [*value, 1]


class Nameless(Text):
    def spec(self) -> Mapping[str, Any]:
        return {**super().spec(), "kind": "words"}


BROKEN = [
    (ChangesInput(), [[2]], [], "changed its input"),
    (Aliases(), [[2]], [], "copy containers"),
    (Loses(), ["A"], [], "invert encode"),
    (Misreads(), [" a"], [], "invert show"),
    (Overlong(), ["a" * 100], [], "limit"),
    (Silent(), ["a", "b"], [], "diff"),
    (Forgets(max_length=3), ["a"], ["abcd"], "must be refused"),
    (Crashes(), [{}], [], None),
    (Coerces(), [1.0], [True], "must be refused"),
    (Drifts(), [1.0], [], "adding 0"),
    (Growing(), [[]], [], "idempotent"),
    (Nameless(), ["a"], [], "kind"),
    (Text(), [], [], "at least one"),
]


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: type(case[0]).__name__)
def test_a_broken_law_is_found(case: tuple[Any, list[Any], list[Any], str | None]) -> None:
    space, values, bad, words = case
    with pytest.raises((AssertionError, KeyError) if words is None else AssertionError, match=words):
        check_space(space, values, bad)


def test_alike_is_strict() -> None:
    assert not alike(True, 1)
    assert not alike(1, 1.0)
    assert not alike(0.0, -0.0)
    assert not alike([1], (1,))
    assert alike({"a": [1.5, None]}, {"a": [1.5, None]})
