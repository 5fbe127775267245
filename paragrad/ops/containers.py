"""Numeric rules of indexing and of copying containers."""

from __future__ import annotations

from typing import Any

from paragrad.trace.operation import PASS, STOP, TABLE
from paragrad.trace.variable import Variable


def _raw(x: Any) -> Any:
    return x._n.value if isinstance(x, Variable) else x


def _zeros(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_zeros(x) for x in value]
    if isinstance(value, dict):
        return {key: _zeros(x) for key, x in value.items()}
    return value * 0.0 if hasattr(value, "shape") else 0.0


def _scatter(g: Any, out: Any, container: Any, key: Any) -> Any:
    """Zeros of the container's shape with ``g`` at ``key``; None when the container is not numeric."""
    value, key, g = _raw(container), _raw(key), _raw(g)
    if isinstance(value, str):
        return None
    try:
        spread = _zeros(value)
    except TypeError:
        return None
    if hasattr(spread, "shape"):
        spread = spread.copy()
    spread[key] = g
    return spread


def _element(g: Any, out: Any, container: Any, key: Any) -> Any:
    return _scatter(g, out, container, key)


def _floor_or_none(g: Any, out: Any, value: Any) -> None:
    """Rounding is flat: no gradient."""


TABLE.attach(
    "numeric",
    {
        "ceil": (_floor_or_none,),
        "floor": (_floor_or_none,),
        "getitem": (_element, STOP),
        "method.copy": (PASS,),
        "round": (STOP, STOP),
        "trunc": (_floor_or_none,),
    },
)
