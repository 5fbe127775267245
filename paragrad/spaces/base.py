"""What every kind of value shares: options, equality by them, and ``spec`` both ways."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Generic, NoReturn, Self, TypeVar

from paragrad.spaces.plain import dump, short
from paragrad.spaces.wording import shorten

T = TypeVar("T")


class Base(ABC, Generic[T]):
    """An immutable space. A subclass gives ``options``, ``check``, ``show``, ``parse``, ``encode``, ``decode`` and ``diff``.

    Two spaces are equal when their ``spec`` is. A new kind also registers its class under its ``kind``
    with ``paragrad.registry.spaces.register``, so that stored specs find it.

    Attributes:
        kind: its name in specs and messages.
        reads_back: whether ``parse`` inverts ``show``; else ``parse`` reads JSON and ``show`` is made for reading.
        has_bytes: whether values can be encoded; a value by reference cannot.
        plain: whether values are JSON-like, so that they may be elements of a List.
        settles: whether ``check`` gives what nobody can change, so that it need not be frozen.
        adds: whether ``apply`` adds the update; else it replaces the value.
    """

    kind: str = ""
    reads_back: bool = True
    has_bytes: bool = True
    plain: bool = False
    settles: bool = False
    adds: bool = False

    @abstractmethod
    def options(self) -> dict[str, Any]:
        """The constructor's arguments as JSON-like values, all of them, in its order."""

    @abstractmethod
    def check(self, value: Any) -> T: ...
    @abstractmethod
    def show(self, value: T, limit: int | None = None) -> str: ...
    @abstractmethod
    def parse(self, text: str) -> T: ...
    @abstractmethod
    def encode(self, value: T) -> bytes: ...
    @abstractmethod
    def decode(self, data: bytes) -> T: ...
    @abstractmethod
    def diff(self, a: T, b: T) -> str: ...

    def apply(self, value: T, update: Any) -> T:
        """The update, checked: words, choices and structures are replaced as a whole."""
        return self.check(update)

    def spec(self) -> Mapping[str, Any]:
        """JSON that describes this space."""
        return {"kind": self.kind, **self.options()}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Self:
        """The space a ``spec`` describes. Runs no code named by it.

        Raises:
            ValueError, TypeError: another kind, an unknown option, or an option that makes no sense.
        """
        options = dict(spec)
        kind = options.pop("kind", None)
        if kind != cls.kind:
            raise ValueError(f"the spec describes the kind {short(kind)}, not {cls.kind!r}")
        try:
            return cls(**options)
        except TypeError as error:
            raise TypeError(f"the spec of a {cls.kind} cannot be used: {error}") from None

    def _fix(self, **attributes: Any) -> None:
        """Set attributes once, during construction."""
        for name, value in attributes.items():
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError(f"a space never changes; make another {type(self).__name__}({name}=...)")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a space never changes; {name!r} stays")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Base):
            return NotImplemented
        return type(self) is type(other) and dump(self.options(), sort=True) == dump(other.options(), sort=True)

    def __hash__(self) -> int:
        return hash((self.kind, dump(self.options(), sort=True)))

    def __repr__(self) -> str:
        given = [(name, value) for name, value in self.options().items() if not (value is None or value is False or value == [])]
        return f"{type(self).__name__}({shorten(', '.join(f'{name}={value!r}' for name, value in given), 200)})"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).from_spec, (dict(self.spec()),)


def words_of(kind: str, text: Any) -> str:
    """``text`` if it is one.

    Raises:
        TypeError: a value was given where a model's reply is read.
    """
    if not isinstance(text, str):
        raise TypeError(f"parse reads a text that describes a {kind}, got {type(text).__name__}; use check for values")
    return text


def whole_number(name: str, value: Any, *, least: int = 0) -> int | None:
    """An optional count among a space's options.

    Raises:
        TypeError, ValueError: not an int, or below ``least``.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int or None, got {short(value)}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")
    return value


def names_of(name: str, value: Any) -> tuple[str, ...]:
    """A sequence of texts among a space's options.

    Raises:
        TypeError: a single text, or an element that is none.
    """
    if isinstance(value, str) or not isinstance(value, list | tuple | set | frozenset):
        raise TypeError(f"{name} must be a list of texts, got {short(value)}; write {name}=[...]")
    parts = tuple(sorted(value)) if isinstance(value, set | frozenset) else tuple(value)
    for part in parts:
        if not isinstance(part, str) or not part:
            raise TypeError(f"{name} must hold texts that are not empty, got {short(part)}")
    return parts
