"""Space: one kind of value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar, runtime_checkable

T = TypeVar("T")


@runtime_checkable
class Space(Protocol[T]):
    """How values of one kind are checked, shown, parsed, stored, updated and compared.

    Laws (``paragrad.testing.check_space``): ``decode(encode(v)) == v``; ``parse(show(v)) == v`` for
    kinds a model may write; ``check(check(v)) == check(v)``; ``spec`` rebuilds an equal space.
    """

    kind: str

    def check(self, value: Any) -> T:
        """The value as this space keeps it (frozen copy), or TypeError/ValueError naming the element and the fix."""

    def show(self, value: T, limit: int | None = None) -> str:
        """The value as a model reads it, shortened in the middle to ``limit`` characters."""

    def parse(self, text: str) -> T:
        """The value a model wrote; strict, ValueError says what was expected."""

    def encode(self, value: T) -> bytes:
        """Canonical bytes, without pickle."""

    def decode(self, data: bytes) -> T:
        """The inverse of ``encode``; ValueError for foreign bytes."""

    def spec(self) -> Mapping[str, Any]:
        """JSON that describes this space: ``{"kind": ..., **options}``; ``type(self).from_spec`` inverts it."""

    def apply(self, value: T, update: Any) -> T:
        """The value after an update: a replacement for words and choices, a sum for numbers and tensors."""

    def diff(self, a: T, b: T) -> str:
        """What changed, for a person; empty when nothing did."""
