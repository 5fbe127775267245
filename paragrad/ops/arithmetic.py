"""Numeric rules of the arithmetic operators, for numbers, flat lists and arrays.

Each rule is written once: on raw values in an ordinary backward, on Variables under
``create_graph``, where its own operations are recorded.
"""

from __future__ import annotations

import math
from typing import Any

from paragrad.trace.operation import STOP, TABLE, Operation
from paragrad.trace.record import operate
from paragrad.trace.variable import Variable

_LOG = TABLE.add(Operation("log", math.log, ("value",)))


def _raw(x: Any) -> Any:
    return x._n.value if isinstance(x, Variable) else x


def unbroadcast(g: Any, like: Any) -> Any:
    """``g`` summed over the axes along which ``like`` was broadcast."""
    target = _raw(like)
    if g.__class__ is float and not hasattr(target, "shape"):
        return g
    shape, own = getattr(_raw(g), "shape", ()), getattr(target, "shape", ())
    if shape == own:
        return g
    g = _raw(g)
    extra = len(shape) - len(own)
    axes = (*range(extra), *(i + extra for i, n in enumerate(own) if n == 1 and shape[i + extra] != 1))
    summed = g.sum(axis=axes, keepdims=False) if axes else g
    return summed.reshape(own) if own else float(summed)


def _log(x: Any) -> Any:
    if isinstance(x, Variable):
        return operate(_LOG, (x,))
    return math.log(x) if not hasattr(x, "shape") else _array_log(x)


def _array_log(x: Any) -> Any:
    from importlib import import_module

    return import_module("numpy").log(x)


def _sign(x: Any) -> Any:
    raw = _raw(x)
    return (raw > 0) * 1.0 - (raw < 0) * 1.0


def _left(g: Any, out: Any, a: Any, b: Any) -> Any:
    return g if g.__class__ is float else unbroadcast(g, a)


def _right(g: Any, out: Any, a: Any, b: Any) -> Any:
    return g if g.__class__ is float else unbroadcast(g, b)


def _neg_right(g: Any, out: Any, a: Any, b: Any) -> Any:
    return -g if g.__class__ is float else unbroadcast(-g, b)


def _mul_left(g: Any, out: Any, a: Any, b: Any) -> Any:
    return g * b if g.__class__ is float else unbroadcast(g * b, a)


def _mul_right(g: Any, out: Any, a: Any, b: Any) -> Any:
    return g * a if g.__class__ is float else unbroadcast(g * a, b)


def _div_left(g: Any, out: Any, a: Any, b: Any) -> Any:
    return g / b if g.__class__ is float else unbroadcast(g / b, a)


def _div_right(g: Any, out: Any, a: Any, b: Any) -> Any:
    return -g * a / (b * b) if g.__class__ is float else unbroadcast(-g * a / (b * b), b)


def _pow_base(g: Any, out: Any, a: Any, b: Any) -> Any:
    return g * b * a ** (b - 1) if g.__class__ is float else unbroadcast(g * b * a ** (b - 1), a)


def _pow_exponent(g: Any, out: Any, a: Any, b: Any) -> Any:
    return g * a**b * _log(a) if g.__class__ is float else unbroadcast(g * a**b * _log(a), b)


def _mod_right(g: Any, out: Any, a: Any, b: Any) -> Any:
    return unbroadcast(-g * (_raw(a) // _raw(b)), b)


def _matmul_left(g: Any, out: Any, a: Any, b: Any) -> Any:
    a, b, g = _raw(a), _raw(b), _raw(g)
    if b.ndim == 1:
        return g * b if a.ndim == 1 else g[..., None] * b
    return unbroadcast(g @ b.swapaxes(-1, -2), a)


def _matmul_right(g: Any, out: Any, a: Any, b: Any) -> Any:
    a, b, g = _raw(a), _raw(b), _raw(g)
    if a.ndim == 1:
        return g * a if b.ndim == 1 else a[:, None] * g
    return a.swapaxes(-1, -2) @ g if g.ndim > 1 or b.ndim > 1 else (a * g[..., None]).sum(tuple(range(a.ndim - 1)))


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
    raw = _raw(a)
    values = raw if isinstance(raw, (list, tuple)) else [raw]
    return g if all(not isinstance(x, str) for x in values) and not isinstance(_raw(out), str) else None


TABLE.attach(
    "numeric",
    {
        "abs": (_absolute,),
        "add": (_left, _right),
        "cast": (_cast, STOP),
        "log": (_over,),
        "matmul": (_matmul_left, _matmul_right),
        "mod": (_left, _mod_right),
        "mul": (_mul_left, _mul_right),
        "neg": (_negated,),
        "pos": (_same,),
        "pow": (_pow_base, _pow_exponent),
        "sub": (_left, _neg_right),
        "truediv": (_div_left, _div_right),
    },
)
