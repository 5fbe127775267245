"""The space of a value that came without one."""

from __future__ import annotations

from typing import Any

from paragrad.protocols.space import Space
from paragrad.registry import facets


def space_of(value: Any) -> Space[Any]:
    """The space that a Parameter of this value has: one rule for both.

    Raises:
        TypeError: none, or a value that has no space of its own; say which one it lives in.
    """
    found: Space[Any] | None = facets.get("space_for")(value, parameter=True)
    if found is None:
        raise TypeError("cannot tell the space of None; write init_parameter(id, value, space=...)")
    return found
