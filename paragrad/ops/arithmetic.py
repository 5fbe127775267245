"""Numeric rules of the arithmetic operators, for numbers, flat lists and arrays.

Each rule is written once: on raw values in an ordinary backward, on Variables under
``create_graph``, where its own operations are recorded.
"""

from __future__ import annotations

import math
from typing import Any

from paragrad.ops.containers import head, tail
from paragrad.ops.shapes import folded, raw, transposed, unbroadcast
from paragrad.trace.operation import STOP, TABLE, Operation
from paragrad.trace.record import operate
from paragrad.trace.values import is_numeric
from paragrad.trace.variable import Variable

_LOG = TABLE.add(Operation("log", lambda x: math.log(x) if not hasattr(x, "shape") else _array_log(x), ("value",)))


def _log(x: Any) -> Any:
    if isinstance(x, Variable):
        return operate(_LOG, (x,))
    return math.log(x) if not hasattr(x, "shape") else _array_log(x)


def _array_log(x: Any) -> Any:
    from importlib import import_module

    return import_module("numpy").log(x)


def _sign(x: Any) -> Any:
    value = raw(x)
    return (value > 0) * 1.0 - (value < 0) * 1.0


def _is_list(x: Any) -> bool:
    return isinstance(raw(x), (list, tuple))


def _add_left(g: Any, out: Any, a: Any, b: Any) -> Any:
    if g.__class__ is float:
        return g
    return head(g, a) if _is_list(a) else unbroadcast(g, a)


def _add_right(g: Any, out: Any, a: Any, b: Any) -> Any:
    if g.__class__ is float:
        return g
    return tail(g, a) if _is_list(a) else unbroadcast(g, b)


def _sub_left(g: Any, out: Any, a: Any, b: Any) -> Any:
    return g if g.__class__ is float else unbroadcast(g, a)


def _sub_right(g: Any, out: Any, a: Any, b: Any) -> Any:
    return -g if g.__class__ is float else unbroadcast(-g, b)


def _mul_left(g: Any, out: Any, a: Any, b: Any) -> Any:
    if g.__class__ is float:
        return g * b
    if _is_list(a) or _is_list(b):
        return folded(g, len(raw(a))) if _is_list(a) else None
    return unbroadcast(g * b, a)


def _mul_right(g: Any, out: Any, a: Any, b: Any) -> Any:
    if g.__class__ is float:
        return g * a
    if _is_list(a) or _is_list(b):
        return folded(g, len(raw(b))) if _is_list(b) else None
    return unbroadcast(g * a, b)


def _div_left(g: Any, out: Any, a: Any, b: Any) -> Any:
    return g / b if g.__class__ is float else unbroadcast(g / b, a)


def _div_right(g: Any, out: Any, a: Any, b: Any) -> Any:
    return -g * a / (b * b) if g.__class__ is float else unbroadcast(-g * a / (b * b), b)


def _pow_base(g: Any, out: Any, a: Any, b: Any) -> Any:
    return unbroadcast(g * b * a ** (b - 1), a)


def _pow_exponent(g: Any, out: Any, a: Any, b: Any) -> Any:
    return unbroadcast(g * a**b * _log(a), b)


def _mod_right(g: Any, out: Any, a: Any, b: Any) -> Any:
    return unbroadcast(-g * (raw(a) // raw(b)), b)


def _row(a: Any) -> Any:
    return a[None, :] if raw(a).ndim == 1 else a


def _column(b: Any) -> Any:
    return b[:, None] if raw(b).ndim == 1 else b


def _grid(g: Any, a: Any, b: Any) -> Any:
    """The gradient of ``a @ b`` with the axes back that vectors do not have."""
    g = g[..., None, :] if raw(a).ndim == 1 else g
    return g[..., None] if raw(b).ndim == 1 else g


def _matmul_left(g: Any, out: Any, a: Any, b: Any) -> Any:
    if raw(a).ndim == raw(b).ndim == 1:
        return g * b
    grad = unbroadcast(_grid(g, a, b) @ transposed(_column(b)), _row(raw(a)))
    return grad[0] if raw(a).ndim == 1 else grad


def _matmul_right(g: Any, out: Any, a: Any, b: Any) -> Any:
    if raw(a).ndim == raw(b).ndim == 1:
        return g * a
    grad = unbroadcast(transposed(_row(a)) @ _grid(g, a, b), _column(raw(b)))
    return grad[:, 0] if raw(b).ndim == 1 else grad


def _negated(g: Any, out: Any, a: Any) -> Any:
    return -g


def _same(g: Any, out: Any, a: Any) -> Any:
    return g


def _absolute(g: Any, out: Any, a: Any) -> Any:
    return g * _sign(a)


def _over(g: Any, out: Any, a: Any) -> Any:
    return g / a


def _cast(g: Any, out: Any, a: Any, dtype: Any) -> Any:
    """A cast between numbers passes the gradient; a cast from text does not."""
    return g if is_numeric(raw(a)) and is_numeric(raw(out)) else None


TABLE.attach(
    "numeric",
    {
        "abs": (_absolute,),
        "add": (_add_left, _add_right),
        "cast": (_cast, STOP),
        "log": (_over,),
        "matmul": (_matmul_left, _matmul_right),
        "mod": (_sub_left, _mod_right),
        "mul": (_mul_left, _mul_right),
        "neg": (_negated,),
        "pos": (_same,),
        "pow": (_pow_base, _pow_exponent),
        "sub": (_sub_left, _sub_right),
        "truediv": (_div_left, _div_right),
    },
)
