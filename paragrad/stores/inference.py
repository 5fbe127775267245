"""The space of a value that came without one."""

from __future__ import annotations

from typing import Any

from paragrad.protocols.space import Space
from paragrad.registry import spaces

_KINDS: tuple[tuple[type, str], ...] = ((str, "text"), (bool, "choice"), (int, "number"), (float, "number"))


def space_of(value: Any) -> Space[Any]:
    """Text for a str, Number for a number, a yes-or-no Choice for a bool, Tensor for an array or a list of numbers.

    Raises:
        TypeError: any other value; say which space it lives in.
    """
    for type_, kind in _KINDS:
        if isinstance(value, type_):
            return _made(kind, value)
    if (hasattr(value, "shape") and hasattr(value, "dtype")) or _numeric_list(value):
        return _made("tensor", value)
    raise TypeError(f"cannot tell the space of a {type(value).__name__} ({value!r:.60}); write init_parameter(id, value, space=...)")


def _made(kind: str, value: Any) -> Space[Any]:
    space: Space[Any] = spaces.get(kind)([False, True]) if kind == "choice" else spaces.get(kind)()
    space.check(value)
    return space


def _numeric_list(value: Any) -> bool:
    """Whether ``value`` is a list of numbers, nested or not."""
    waiting = [value]
    found = False
    while waiting:
        item = waiting.pop()
        if isinstance(item, list | tuple):
            waiting.extend(item)
        elif isinstance(item, int | float) and not isinstance(item, bool):
            found = True
        else:
            return False
    return found
