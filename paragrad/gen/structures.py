"""Values that hold tracked numbers somewhere inside lists, tuples and dicts."""

from __future__ import annotations

from typing import Any

from paragrad.gen.lost import plain_number
from paragrad.gen.tape import Tracked
from paragrad.trace.variable import Variable


def untracked(value: Any) -> Any:
    """Without tracking, also inside lists, tuples and dicts."""
    kind = value.__class__
    if kind is Tracked:
        return value.value
    if kind is list or kind is tuple:
        return kind(map(untracked, value))
    if kind is dict:
        return {key: untracked(part) for key, part in value.items()}
    return value


def tracks(value: Any) -> bool:
    """Whether anything in it is tracked."""
    kind = value.__class__
    if kind is Tracked:
        return True
    if kind is list or kind is tuple:
        return any(map(tracks, value))
    return any(map(tracks, value.values())) if kind is dict else False


def track(value: Any, tape: list[Tracked]) -> Any:
    """Fresh leaves for the floats and float arrays in it."""
    kind = value.__class__
    if kind is list or kind is tuple:
        return kind([track(part, tape) for part in value])
    if kind is dict:
        return {key: track(part, tape) for key, part in value.items()}
    return Tracked(value, tape) if is_real(value) else value


def is_real(value: Any) -> bool:
    """A float, or an array of floats."""
    return isinstance(value, float) or getattr(getattr(value, "dtype", None), "kind", "") == "f"


def collect(value: Any, g: Any) -> None:
    """Hand a derivative to the tracked parts of a value; it has the same structure, None where there is nothing."""
    if g is None:
        return
    kind = value.__class__
    if kind is Tracked:
        if isinstance(value.value, Variable):
            plain_number(value.value)
        value.collect(g)
    elif kind is list or kind is tuple:
        for part, own in zip(value, g, strict=True):
            collect(part, own)
    elif kind is dict:
        for key, own in g.items():
            collect(value[key], own)
    elif isinstance(value, Variable):
        plain_number(value)


def collected(value: Any) -> Any:
    """The derivatives that reached the tracked parts of a value, in its structure; None if nothing did."""
    kind = value.__class__
    if kind is Tracked:
        return value.grad
    if kind is list or kind is tuple:
        found = [collected(part) for part in value]
        return kind(found) if any(part is not None for part in found) else None
    if kind is dict:
        named = {key: collected(part) for key, part in value.items()}
        return named if any(part is not None for part in named.values()) else None
    return None
