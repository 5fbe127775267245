"""Structures with symbols in them: building one of values, and handing one of derivatives to its slots."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from paragrad.gen.static.symbols import Symbol, holds_symbols
from paragrad.gen.tape import fitted


def builder(value: Any) -> Callable[[list[Any]], Any]:
    """A function of the slots that gives the structure with its symbols' values."""
    kind = value.__class__
    if kind is Symbol:
        slot = value.slot
        return lambda s: s[slot]
    if kind is list or kind is tuple:
        if kind is tuple and not holds_symbols(value):
            return lambda s: value
        parts = [builder(part) for part in value]
        return lambda s: kind([part(s) for part in parts])
    if kind is dict:
        named = {key: builder(part) for key, part in value.items()}
        return lambda s: {key: part(s) for key, part in named.items()}
    return lambda s: value


def seeded(value: Any, g: Any, s: list[Any], into: list[Any]) -> list[int]:
    """Add derivatives, in the structure of ``value`` and None where there is nothing, to the slots of its symbols; which those are."""
    if g is None:
        return []
    kind = value.__class__
    if kind is Symbol:
        slot: int = value.slot
        into[slot] += g if g.__class__ is float else fitted(g, s[slot])
        return [slot]
    if kind is list or kind is tuple:
        return [slot for part, own in zip(value, g, strict=True) for slot in seeded(part, own, s, into)]
    return [slot for key, own in g.items() for slot in seeded(value[key], own, s, into)] if kind is dict else []


def gathered(value: Any, s: list[Any], g: list[Any], reached: set[int]) -> Any:
    """The derivatives of a structure's symbols that are floats and were reached; None if there are none."""
    kind = value.__class__
    if kind is Symbol:
        return g[value.slot] if value.slot in reached and isinstance(s[value.slot], float) else None
    if kind is list or kind is tuple:
        found = [gathered(part, s, g, reached) for part in value]
        return kind(found) if any(part is not None for part in found) else None
    if kind is dict:
        named = {key: gathered(part, s, g, reached) for key, part in value.items()}
        return named if any(part is not None for part in named.values()) else None
    return None


def filled(structure: Any, value: Any, s: list[Any]) -> bool:
    """Put a value into the slots of a structure's symbols; False if it has another structure."""
    kind = structure.__class__
    if kind is Symbol:
        s[structure.slot] = value
        return isinstance(value, float | int | str)
    if structure is None:
        return value is None
    if kind is not value.__class__ or len(structure) != len(value):
        return False
    if kind is dict:
        return list(structure) == list(value) and all([filled(structure[key], value[key], s) for key in value])
    return all([filled(part, own, s) for part, own in zip(structure, value, strict=True)])
