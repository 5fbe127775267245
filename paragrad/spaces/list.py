"""List: JSON-like values in order."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Self

from paragrad.spaces.base import Base, words_of
from paragrad.spaces.plain import dump, load, plain, plain_number, pretty, short, unfence
from paragrad.spaces.specs import from_spec
from paragrad.spaces.wording import change, diff_lines, shorten


class List(Base[list[Any]]):
    """A list. Tuples become lists, and a flat list of ints and floats becomes one of floats.

    Args:
        item: the space of every element, one of JSON-like values (Text, Number, Choice, Json, List, Code); None: anything JSON-like.
    """

    kind = "list"
    plain = True
    item: Base[Any] | None

    def __init__(self, item: Base[Any] | None = None) -> None:
        if item is not None and not getattr(item, "plain", False):
            raise TypeError(f"item must be a space of JSON-like values, such as Text() or Number(), got {short(item)}")
        self._fix(item=item)

    def options(self) -> dict[str, Any]:
        """The spec of the element's space."""
        return {"item": None if self.item is None else dict(self.item.spec())}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Self:
        """The space a spec describes; the element's space is found by its kind."""
        inner = spec.get("item")
        return super().from_spec({**spec, "item": None if inner is None else from_spec(inner)})

    def check(self, value: Any) -> list[Any]:
        """A fresh list.

        Raises:
            TypeError: not a sequence, or an element of another type, named as ``data[1]['x']``.
            ValueError: an element its space refuses, nan or infinity.
        """
        if isinstance(value, str | bytes | bytearray | memoryview) or not isinstance(value, Sequence):
            raise TypeError(f"data: {type(value).__name__} is not a list: {short(value)}; write [value] or list(value)")
        if self.item is None:
            return _floats(value) if {int, float} >= set(map(type, value)) else _one_kind(plain(value))
        return [_element(self.item, part, index) for index, part in enumerate(value)]

    def show(self, value: list[Any], limit: int | None = None) -> str:
        """JSON: on one line when short, else one element per line."""
        text = pretty(value)
        return shorten(text if len(text) <= 100 else _lines(value), limit)

    def parse(self, text: str) -> list[Any]:
        """A JSON list, bare or in a json fence."""
        found = load(unfence(words_of(self.kind, text), ("json",)), what="a JSON list")
        return self._read(found)

    def encode(self, value: list[Any]) -> bytes:
        """JSON."""
        return dump(value).encode()

    def decode(self, data: bytes) -> list[Any]:
        """The list a JSON text says."""
        return self._read(load(data, what="a JSON list"))

    def diff(self, a: list[Any], b: list[Any]) -> str:
        """``old → new``, or changed elements line by line."""
        old, new = dump(a), dump(b)
        return change(old, new) if len(old) + len(new) <= 100 else diff_lines(_lines(a), _lines(b))

    def __repr__(self) -> str:
        return "List()" if self.item is None else f"List({self.item!r})"

    def _read(self, found: Any) -> list[Any]:
        try:
            return self.check(found)
        except TypeError as error:
            raise ValueError(str(error)) from None


def _lines(value: list[Any]) -> str:
    return "[\n" + ",\n".join(dump(part) for part in value) + "\n]" if value else "[]"


def _floats(value: Sequence[Any]) -> list[Any]:
    """Numbers of one type; the common case of embeddings, checked without a call per element."""
    kinds = set(map(type, value))
    if kinds == {float} and all(map(math.isfinite, value)):
        return list(value)
    if float not in kinds:
        return [plain_number(part, f"data[{index}]") for index, part in enumerate(value)]
    try:
        found = [float(part) for part in value]
    except OverflowError:
        raise ValueError("data: an integer among floats is too large for a float; write all elements as ints") from None
    for index, part in enumerate(found):
        if not math.isfinite(part):
            raise ValueError(f"data[{index}]: {part} is not a finite number")
    return found


def _one_kind(value: list[Any]) -> list[Any]:
    """Subclasses of numbers, made plain, may still mix ints and floats."""
    return _floats(value) if set(map(type, value)) == {int, float} else value


def _element(item: Base[Any], part: Any, index: int) -> Any:
    try:
        return item.check(part)
    except (TypeError, ValueError) as error:
        words = str(error).removeprefix("data")
        message = f"data[{index}]{words if words.startswith('[') or words.startswith(':') else ': ' + words}"
        raise (TypeError if isinstance(error, TypeError) else ValueError)(message) from None
