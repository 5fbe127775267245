"""Opaque: any object, by reference."""

from __future__ import annotations

from typing import Any, NoReturn

from paragrad.spaces.base import Base
from paragrad.spaces.plain import short
from paragrad.spaces.wording import change, shorten


class Opaque(Base[Any]):
    """An object the library does not look into: a client, an index, a connection. It has no bytes, so no store keeps it.

    Args:
        name: what the object is, for messages and pictures.
    """

    kind = "opaque"
    reads_back = False
    has_bytes = False
    name: str | None

    def __init__(self, name: str | None = None) -> None:
        if name is not None and not isinstance(name, str):
            raise TypeError(f"name must be a text or None, got {short(name)}")
        self._fix(name=name)

    def options(self) -> dict[str, Any]:
        """name."""
        return {"name": self.name}

    def check(self, value: Any) -> Any:
        """The same object."""
        return value

    def show(self, value: Any, limit: int | None = None) -> str:
        """Its repr, shortened. Objects change: whoever needs the value of now takes this once and keeps it."""
        return shorten(short(value), limit)

    def parse(self, text: str) -> NoReturn:
        """No text describes an object."""
        raise TypeError(f"no text can be read as {self._what()}; give the object itself")

    def encode(self, value: Any) -> NoReturn:
        """An object by reference has no bytes."""
        raise TypeError(f"{self._what()} has no bytes; keep it out of stores, or give it a space that has them, such as pg.Json(schema)")

    def decode(self, data: bytes) -> NoReturn:
        """An object by reference has no bytes."""
        raise TypeError(f"{self._what()} cannot be read from bytes; make the object in the program")

    def diff(self, a: Any, b: Any) -> str:
        """``old → new``; empty for the same object."""
        if a is b:
            return ""
        old, new = self.show(a), self.show(b)
        return change(old, new) or f"another object, shown as {old}"

    def _what(self) -> str:
        return f"the opaque object {self.name!r}" if self.name else "an opaque object"
