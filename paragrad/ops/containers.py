"""Numeric rules of indexing, joining and repeating lists, and of copying and rounding."""

from __future__ import annotations

from typing import Any

from paragrad.ops.shapes import raw, scatter, zeros
from paragrad.trace.operation import PASS, STOP, TABLE


def _element(g: Any, out: Any, container: Any, key: Any) -> Any:
    """Zeros of the container's form with ``g`` at ``key``; None when the container is not numeric."""
    value = raw(container)
    return None if isinstance(value, str) or zeros(value) is None else scatter(g, value, raw(key))


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
