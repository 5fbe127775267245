"""Numeric rules of indexing, joining and repeating lists, and of copying and rounding."""

from __future__ import annotations

from typing import Any

from paragrad.ops.shapes import raw, scatter
from paragrad.trace.operation import PASS, STOP, TABLE
from paragrad.trace.spread import Spread, zeros
from paragrad.trace.variable import Variable


def _element(g: Any, out: Any, container: Any, key: Any) -> Any:
    """``g`` at ``key`` and zeros elsewhere; nothing when the container is not numeric."""
    value, place = raw(container), raw(key)
    if isinstance(g, Variable):
        return None if zeros(value) is None else scatter(g, value, place)
    return Spread(value, place, g)


def _sliced(g: Any, out: Any, container: Any, start: Any, stop: Any, step: Any) -> Any:
    return _element(g, out, container, slice(raw(start), raw(stop), raw(step)))


def head(g: Any, left: Any) -> Any:
    """The gradient of the left one of two joined lists."""
    return g[: len(raw(left))]


def tail(g: Any, left: Any) -> Any:
    """The gradient of the right one of two joined lists."""
    return g[len(raw(left)) :]


TABLE.attach(
    "numeric",
    {
        "ceil": (STOP,),
        "floor": (STOP,),
        "getitem": (_element, STOP),
        "method.copy": (PASS,),
        "round": (STOP, STOP),
        "slice": (_sliced, STOP, STOP, STOP),
        "trunc": (STOP,),
    },
)
