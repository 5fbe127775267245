"""Functions of numbers, arrays and tracked values: exp, log and relatives."""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any

from paragrad.gen.lost import plain_number
from paragrad.gen.tape import Tracked, pulled, unary
from paragrad.trace.variable import Variable


def _numpy() -> Any:
    return import_module("numpy")


def exp(x: Any) -> Any:
    """e to the x."""
    if x.__class__ is Tracked and x.value.__class__ is float:  # what scalar bodies do most
        grown = math.exp(x.value)
        return Tracked(grown, x.tape, x, grown)
    value = x.value if x.__class__ is Tracked else x
    out = math.exp(value) if isinstance(value, float | int) else _numpy().exp(value)
    return unary(x, out, out) if x.__class__ is Tracked else out


def log(x: Any) -> Any:
    """The natural logarithm."""
    value = x.value if x.__class__ is Tracked else x
    out = math.log(value) if isinstance(value, float | int) else _numpy().log(value)
    return unary(x, out, 1.0 / value) if x.__class__ is Tracked else out


def log1p(x: Any) -> Any:
    """log(1 + x), exact for small x."""
    value = x.value if x.__class__ is Tracked else x
    out = math.log1p(value) if isinstance(value, float | int) else _numpy().log1p(value)
    return unary(x, out, 1.0 / (1.0 + value)) if x.__class__ is Tracked else out


def sqrt(x: Any) -> Any:
    """The square root."""
    value = x.value if x.__class__ is Tracked else x
    out = math.sqrt(value) if isinstance(value, float | int) else _numpy().sqrt(value)
    return unary(x, out, 0.5 / out) if x.__class__ is Tracked else out


def tanh(x: Any) -> Any:
    """The hyperbolic tangent."""
    value = x.value if x.__class__ is Tracked else x
    out = math.tanh(value) if isinstance(value, float | int) else _numpy().tanh(value)
    return unary(x, out, 1.0 - out * out) if x.__class__ is Tracked else out


def sin(x: Any) -> Any:
    """The sine."""
    value = x.value if x.__class__ is Tracked else x
    scalar = isinstance(value, float | int)
    out = math.sin(value) if scalar else _numpy().sin(value)
    return unary(x, out, math.cos(value) if scalar else _numpy().cos(value)) if x.__class__ is Tracked else out


def cos(x: Any) -> Any:
    """The cosine."""
    value = x.value if x.__class__ is Tracked else x
    scalar = isinstance(value, float | int)
    out = math.cos(value) if scalar else _numpy().cos(value)
    return unary(x, out, -math.sin(value) if scalar else -_numpy().sin(value)) if x.__class__ is Tracked else out


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)), without overflow."""
    value = x.value if x.__class__ is Tracked else x
    if isinstance(value, float | int):
        small = math.exp(-abs(value))
        out: Any = 1.0 / (1.0 + small) if value >= 0 else small / (1.0 + small)
    elif hasattr(value, "symbolic"):
        return value.symbolic("sigmoid")
    else:
        small = _numpy().exp(-abs(value))
        out = _numpy().where(value >= 0, 1.0, small) / (1.0 + small)
    return unary(x, out, out * (1.0 - out)) if x.__class__ is Tracked else out


def softplus(x: Any) -> Any:
    """log(1 + exp(x)), without overflow."""
    value = x.value if x.__class__ is Tracked else x
    if isinstance(value, float | int):
        out: Any = max(value, 0.0) + math.log1p(math.exp(-abs(value)))
    elif hasattr(value, "symbolic"):
        return value.symbolic("softplus")
    elif isinstance(value, Variable):
        return softplus(plain_number(value))
    else:
        out = _numpy().logaddexp(0.0, value)
    return unary(x, out, sigmoid(value)) if x.__class__ is Tracked else out


def logsumexp(values: Any) -> Any:
    """log of the sum of exp of a list or of an array along its last axis, without overflow."""
    if not isinstance(values, Tracked):
        values = stack(values)
    tracked = isinstance(values, Tracked)
    array = values.value if tracked else values
    numpy = _numpy()
    top = numpy.max(array, axis=-1, keepdims=True)
    top = numpy.where(numpy.isfinite(top), top, 0.0)
    out = numpy.log(numpy.sum(numpy.exp(array - top), axis=-1)) + top[..., 0]
    if not tracked:
        return out
    return pulled(out, values.tape, lambda g: values.collect(numpy.expand_dims(g, -1) * numpy.exp(array - numpy.expand_dims(out, -1))))


def stack(values: Any, axis: int = 0) -> Any:
    """Several numbers or arrays as one array, along a new axis."""
    numpy = _numpy()
    if isinstance(values, Tracked):
        return values
    parts = list(values)
    tracked = [part for part in parts if isinstance(part, Tracked)]
    out = numpy.stack([part.value if isinstance(part, Tracked) else part for part in parts], axis=axis)
    if not tracked:
        return out

    def pull(g: Any) -> None:
        for place, part in enumerate(parts):
            if isinstance(part, Tracked):
                part.collect(numpy.take(g, place, axis=axis))

    return pulled(out, tracked[0].tape, pull)
