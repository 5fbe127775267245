"""Numeric rules of the arithmetic operators, for numbers, flat lists and arrays.

Each rule is written once: on raw values in an ordinary backward, on Variables under
``create_graph``, where its own operations are recorded.
"""

from __future__ import annotations

import math
from typing import Any

from paragrad.ops.containers import head, tail
from paragrad.ops.shapes import arrayed, folded, is_list, raw, transposed, unbroadcast
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


def _add_left(g: Any, out: Any, a: Any, b: Any) -> Any:
    if g.__class__ is float:
        return g
    return head(g, a) if is_list(out) else unbroadcast(g, a)


def _add_right(g: Any, out: Any, a: Any, b: Any) -> Any:
    if g.__class__ is float:
        return g
    return tail(g, a) if is_list(out) else unbroadcast(g, b)


def _sub_left(g: Any, out: Any, a: Any, b: Any) -> Any:
    return g if g.__class__ is float else unbroadcast(g, a)


def _sub_right(g: Any, out: Any, a: Any, b: Any) -> Any:
    return -g if g.__class__ is float else unbroadcast(-g, b)


def _mul_left(g: Any, out: Any, a: Any, b: Any) -> Any:
    if g.__class__ is float:
        return g * b
    if is_list(out):
        return folded(g, len(raw(a))) if is_list(a) else None
    return unbroadcast(g * arrayed(b), a)


def _mul_right(g: Any, out: Any, a: Any, b: Any) -> Any:
    if g.__class__ is float:
        return g * a
    if is_list(out):
        return folded(g, len(raw(b))) if is_list(b) else None
    return unbroadcast(g * arrayed(a), b)


def _div_left(g: Any, out: Any, a: Any, b: Any) -> Any:
    return g / b if g.__class__ is float else unbroadcast(g / arrayed(b), a)


def _div_right(g: Any, out: Any, a: Any, b: Any) -> Any:
    if g.__class__ is float:
        return -g * a / (b * b)
    divisor = arrayed(b)
    return unbroadcast(-g * arrayed(a) / (divisor * divisor), b)


def _pow_base(g: Any, out: Any, a: Any, b: Any) -> Any:
    exponent = arrayed(b)
    return unbroadcast(g * exponent * arrayed(a) ** (exponent - 1), a)


def _pow_exponent(g: Any, out: Any, a: Any, b: Any) -> Any:
    base = arrayed(a)
    return unbroadcast(g * base ** arrayed(b) * _log(base), b)


def _mod_right(g: Any, out: Any, a: Any, b: Any) -> Any:
    return unbroadcast(-g * (arrayed(raw(a)) // arrayed(raw(b))), b)


def _row(a: Any) -> Any:
    return a[None, :] if raw(a).ndim == 1 else a


def _column(b: Any) -> Any:
    return b[:, None] if raw(b).ndim == 1 else b


def _grid(g: Any, a: Any, b: Any) -> Any:
    """The gradient of ``a @ b`` with the axes back that vectors do not have."""
    g = g[..., None, :] if raw(a).ndim == 1 else g
    return g[..., None] if raw(b).ndim == 1 else g


def _matmul_left(g: Any, out: Any, a: Any, b: Any) -> Any:
    left, right = arrayed(a), arrayed(b)
    if raw(left).ndim == raw(right).ndim == 1:
        return unbroadcast(g * right, a)
    grad = unbroadcast(_grid(g, left, right) @ transposed(_column(right)), _row(raw(left)))
    return unbroadcast(grad[0] if raw(left).ndim == 1 else grad, a)


def _matmul_right(g: Any, out: Any, a: Any, b: Any) -> Any:
    left, right = arrayed(a), arrayed(b)
    if raw(left).ndim == raw(right).ndim == 1:
        return unbroadcast(g * left, b)
    grad = unbroadcast(transposed(_row(left)) @ _grid(g, left, right), _column(raw(right)))
    return unbroadcast(grad[:, 0] if raw(right).ndim == 1 else grad, b)


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
