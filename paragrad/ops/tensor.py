"""Functions of arrays and numbers in the graph: ``pg.ops.exp(v)``, ``pg.ops.sum(v, axis=0)``.

Each is numpy's function of the same name on plain values, and records itself when an argument is (or
holds) a Variable. Rules are made of the same functions, so they can be recorded too (``create_graph``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from paragrad.ops.shapes import arrayed, broadcast, raw, unbroadcast
from paragrad.trace.foreign import without_tensors
from paragrad.trace.operation import STOP, Operation, Rule
from paragrad.trace.record import operate
from paragrad.trace.variable import Variable

Axis = int | tuple[int, ...] | None


def _numpy(name: str, *args: Any, **kwargs: Any) -> Any:
    """numpy's function; Python numbers where numpy gives scalars."""
    import numpy

    result = getattr(numpy, name)(*args, **kwargs)
    return result.item() if isinstance(result, numpy.generic) else result


def _holds(value: Any) -> bool:
    return isinstance(value, Variable) or (isinstance(value, (list, tuple)) and any(map(_holds, value)))


def traced(name: str, fn: Callable[..., Any], argnames: tuple[str, ...], *rules: Rule) -> Callable[..., Any]:
    """``fn`` as a function that records itself, with one numeric rule per argument (none for the rest)."""
    op = Operation(name, fn, argnames)
    op.rules["numeric"] = rules + (STOP,) * (len(argnames) - len(rules))

    def call(*args: Any) -> Any:
        return operate(op, args) if any(map(_holds, args)) else fn(*without_tensors(args))

    return call


def _elementwise(name: str, rule: Callable[[Any, Any, Any], Any], doc: str) -> Callable[[Any], Any]:
    call = traced(name, lambda x: _numpy(name, x), ("value",), rule)

    def function(x: Any) -> Any:
        return call(x)

    function.__name__, function.__doc__ = name, doc
    return function


exp = _elementwise("exp", lambda g, out, x: g * out, "e to the power of every element.")
expm1 = _elementwise("expm1", lambda g, out, x: g * (out + 1.0), "exp(x) - 1, exact near 0.")
log = _elementwise("log", lambda g, out, x: g / x, "The natural logarithm of every element.")
log2 = _elementwise("log2", lambda g, out, x: g / (x * 0.6931471805599453), "The logarithm to base 2 of every element.")
log10 = _elementwise("log10", lambda g, out, x: g / (x * 2.302585092994046), "The logarithm to base 10 of every element.")
log1p = _elementwise("log1p", lambda g, out, x: g / (x + 1.0), "log(1 + x), exact near 0.")
sqrt = _elementwise("sqrt", lambda g, out, x: g * 0.5 / out, "The square root of every element.")
square = _elementwise("square", lambda g, out, x: g * 2.0 * x, "The square of every element.")
sin = _elementwise("sin", lambda g, out, x: g * _cosine(x), "The sine of every element.")
cos = _elementwise("cos", lambda g, out, x: -g * sin(x), "The cosine of every element.")


def _cosine(x: Any) -> Any:
    return cos(x)


tanh = _elementwise("tanh", lambda g, out, x: g * (1.0 - out * out), "The hyperbolic tangent of every element.")


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)) of every element, without overflow."""
    return tanh(x * 0.5) * 0.5 + 0.5


# --- choices ------------------------------------------------------------------------------------------


def _larger(a: Any, b: Any) -> Any:
    """1 where a > b, 1/2 where they are equal, 0 elsewhere."""
    left, right = arrayed(raw(a)), arrayed(raw(b))
    return (left > right) * 0.5 + (left >= right) * 0.5


_maximum = traced(
    "maximum",
    lambda a, b: _numpy("maximum", a, b),
    ("left", "right"),
    lambda g, out, a, b: unbroadcast(g * _larger(a, b), a),
    lambda g, out, a, b: unbroadcast(g * _larger(b, a), b),
)
_minimum = traced(
    "minimum",
    lambda a, b: _numpy("minimum", a, b),
    ("left", "right"),
    lambda g, out, a, b: unbroadcast(g * _larger(b, a), a),
    lambda g, out, a, b: unbroadcast(g * _larger(a, b), b),
)
_where = traced(
    "where",
    lambda condition, a, b: _numpy("where", condition, a, b),
    ("condition", "left", "right"),
    STOP,
    lambda g, out, condition, a, b: unbroadcast(g * (arrayed(raw(condition)) != 0), a),
    lambda g, out, condition, a, b: unbroadcast(g * (arrayed(raw(condition)) == 0), b),
)


def maximum(a: Any, b: Any) -> Any:
    """The larger of two, by element; where they are equal each gets half of the gradient."""
    return _maximum(a, b)


def minimum(a: Any, b: Any) -> Any:
    """The smaller of two, by element; where they are equal each gets half of the gradient."""
    return _minimum(a, b)


def where(condition: Any, a: Any, b: Any) -> Any:
    """``a`` where the condition holds, else ``b``, by element."""
    return _where(condition, a, b)


def clip(x: Any, low: Any = None, high: Any = None) -> Any:
    """``x`` kept between two bounds; no gradient beyond them."""
    x = x if low is None else maximum(x, low)
    return x if high is None else minimum(x, high)


# --- sums over axes -----------------------------------------------------------------------------------


def _axes(axis: Axis, ndim: int) -> tuple[int, ...]:
    given = range(ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    return tuple(i % ndim for i in given)


def _kept(shape: Sequence[int], axis: Axis) -> tuple[int, ...]:
    """The shape after a sum with ``keepdims``."""
    gone = _axes(axis, len(shape)) if shape else ()
    return tuple(1 if i in gone else n for i, n in enumerate(shape))


def _shape(x: Any) -> tuple[int, ...]:
    import numpy

    return tuple(numpy.shape(raw(x)))


def _spread(g: Any, x: Any, axis: Any) -> Any:
    """A sum's gradient at every element that was summed."""
    shape = _shape(x)
    return broadcast(reshape(g, _kept(shape, axis)), shape) if shape else g


def _of_extreme(g: Any, out: Any, x: Any, axis: Any, keepdims: Any) -> Any:
    """The gradient of a maximum (or minimum) goes to the elements that have that value, in equal parts."""
    import numpy

    value = numpy.asarray(raw(x))
    mask = (value == numpy.reshape(raw(out), _kept(value.shape, axis))) * 1.0
    return _spread(g, x, axis) * (mask / mask.sum(axis=axis, keepdims=True))


_sum = traced(
    "sum",
    lambda x, axis, keepdims: _numpy("sum", x, axis=axis, keepdims=keepdims),
    ("value", "axis", "keepdims"),
    lambda g, out, x, axis, keepdims: _spread(g, x, axis),
)
_max = traced("max", lambda x, axis, keepdims: _numpy("max", x, axis=axis, keepdims=keepdims), ("value", "axis", "keepdims"), _of_extreme)
_min = traced("min", lambda x, axis, keepdims: _numpy("min", x, axis=axis, keepdims=keepdims), ("value", "axis", "keepdims"), _of_extreme)


def sum(x: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """The sum of all elements, or over axes."""
    return _sum(x, axis, keepdims)


def mean(x: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """The mean of all elements, or over axes.

    Raises:
        ValueError: there are no elements to take the mean of.
    """
    shape = _shape(x)
    count = 1
    for i in _axes(axis, len(shape)) if shape else ():
        count *= shape[i]
    if not count:
        over = "" if axis is None else f" over axis {axis}"
        raise ValueError(f"the mean{over} of an array of shape {shape} has no elements to be made of; leave empty arrays out")
    return _sum(x, axis, keepdims) / count


def max(x: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """The largest element, or those over axes; several equal ones share the gradient."""
    return _max(x, axis, keepdims)


def min(x: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """The smallest element, or those over axes; several equal ones share the gradient."""
    return _min(x, axis, keepdims)


def var(x: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """The mean squared distance from the mean."""
    return mean(square(x - mean(x, axis, keepdims=True)), axis, keepdims=keepdims)


def logsumexp(x: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """log(sum(exp(x))), without overflow."""
    top = _numpy("max", raw(x), axis=axis, keepdims=True)
    total = log(_sum(exp(x - top), axis, keepdims))
    return total + (top if keepdims else reshape(top, _shape(total)))


def softmax(x: Any, axis: int = -1) -> Any:
    """exp(x) scaled to sum to 1 along an axis."""
    return exp(x - logsumexp(x, axis, keepdims=True))


# --- shapes -------------------------------------------------------------------------------------------


def _joined_parts(g: Any, out: Any, arrays: Any, axis: Any) -> list[Any]:
    """The part of each joined array."""
    parts, start = [], 0
    for array in arrays:
        shape = _shape(array)
        place = [slice(None)] * len(shape)
        place[axis] = slice(start, start + shape[axis])
        parts.append(g[tuple(place)])
        start += shape[axis]
    return parts


def _turned_back(g: Any, out: Any, x: Any, axes: Any) -> Any:
    return _transpose(g, None if raw(axes) is None else tuple(_numpy("argsort", raw(axes)).tolist()))


_reshape = traced(
    "reshape", lambda x, shape: _numpy("reshape", x, shape), ("value", "shape"), lambda g, out, x, shape: reshape(g, _shape(x))
)
_transpose = traced("transpose", lambda x, axes: _numpy("transpose", x, axes), ("value", "axes"), _turned_back)
_concatenate = traced("concatenate", lambda arrays, axis: _numpy("concatenate", arrays, axis=axis), ("arrays", "axis"), _joined_parts)


def reshape(x: Any, shape: int | Sequence[int]) -> Any:
    """The same elements in another shape; one size may be -1."""
    return _reshape(x, shape if isinstance(shape, int) else tuple(shape))


def transpose(x: Any, axes: Sequence[int] | None = None) -> Any:
    """Axes reversed, or in the order of ``axes``."""
    return _transpose(x, None if axes is None else tuple(i % len(axes) for i in axes))


def swapaxes(x: Any, a: int, b: int) -> Any:
    """Two axes exchanged."""
    axes = list(range(len(_shape(x))))
    axes[a], axes[b] = axes[b], axes[a]
    return transpose(x, axes)


def expand_dims(x: Any, axis: int) -> Any:
    """One more axis of size 1 at ``axis``."""
    shape = list(_shape(x))
    shape.insert(axis if axis >= 0 else len(shape) + 1 + axis, 1)
    return reshape(x, shape)


def squeeze(x: Any, axis: Axis = None) -> Any:
    """Without the axes of size 1."""
    return reshape(x, _numpy("squeeze", raw(x), axis=axis).shape)


def concatenate(arrays: Sequence[Any], axis: int | None = 0) -> Any:
    """Arrays joined along an axis they have; None: all their elements in one dimension."""
    if axis is None:
        arrays, axis = [reshape(x, -1) for x in arrays], 0
    return _concatenate(list(arrays), axis)


def stack(arrays: Sequence[Any], axis: int = 0) -> Any:
    """Arrays or numbers of one shape joined along a new axis."""
    return concatenate([expand_dims(x, axis) for x in arrays], axis)
