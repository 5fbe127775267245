"""Tracked arrays: indexing, matrix products, reductions, and numpy's own functions."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from paragrad.gen import functions
from paragrad.gen.tape import Tracked, plain, pulled

_UFUNCS: dict[str, Callable[..., Any]] = {
    "absolute": abs,
    "add": lambda a, b: a + b,
    "cos": functions.cos,
    "divide": lambda a, b: a / b,
    "exp": functions.exp,
    "log": functions.log,
    "log1p": functions.log1p,
    "matmul": lambda a, b: matmul(a, b),
    "maximum": lambda a, b: _chosen(plain(a) >= plain(b), a, b),
    "minimum": lambda a, b: _chosen(plain(a) <= plain(b), a, b),
    "multiply": lambda a, b: a * b,
    "negative": lambda a: -a,
    "positive": lambda a: a,
    "power": lambda a, b: a**b,
    "sin": functions.sin,
    "sqrt": functions.sqrt,
    "square": lambda a: a * a,
    "subtract": lambda a, b: a - b,
    "tanh": functions.tanh,
}
_COMPARISONS = {"equal", "greater", "greater_equal", "isfinite", "isinf", "isnan", "less", "less_equal", "not_equal", "sign"}
_PLAIN = {"T", "dtype", "ndim", "shape", "size"}


def ufunc(called: Any, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """numpy.exp(x) and its like."""
    name = called.__name__
    if method == "__call__" and not kwargs:
        if name in _COMPARISONS:
            return called(*map(plain, inputs))
        if name in _UFUNCS:
            return _UFUNCS[name](*_led_by_tracked(name, inputs))
    raise TypeError(f"numpy.{name} of a tracked value has no derivative here; there are {', '.join(sorted(_UFUNCS))}, and those of gen")


def function(called: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """numpy.sum(x) and its like."""
    name = called.__name__
    if name in ("sum", "mean") and len(args) <= 2 and set(kwargs) <= {"axis"}:
        return getattr(args[0], name)(*args[1:], **kwargs)
    if name == "dot" and len(args) == 2 and not kwargs:
        return matmul(*args) if all(getattr(arg, "ndim", 0) for arg in args) else args[0] * args[1]
    if name == "stack" and not kwargs:
        return functions.stack(*args)
    if name == "where" and len(args) == 3:
        return _chosen(plain(args[0]), args[1], args[2])
    if name in ("shape", "ndim", "size"):
        return called(*map(plain, args), **kwargs)
    raise TypeError(f"numpy.{name} of a tracked value has no derivative here; there are sum, mean, dot, stack, where, and gen's functions")


def attribute(x: Tracked, name: str) -> Any:
    """Attributes and methods of the array."""
    if name in _PLAIN and name != "T":
        return getattr(x.value, name) if hasattr(x.value, name) else {"shape": (), "ndim": 0, "size": 1}[name]
    if name == "T":
        return pulled(x.value.T, x.tape, lambda g: x.collect(g.T))
    if name in ("sum", "mean"):
        return lambda axis=None: _reduced(x, name, axis)
    if name == "reshape":
        return lambda *shape: pulled(x.value.reshape(*shape), x.tape, lambda g: x.collect(g.reshape(x.value.shape)))
    if name == "dot":
        return lambda other: matmul(x, other)
    raise AttributeError(f"a tracked {type(x.value).__name__} has no attribute {name!r}")


def getitem(x: Tracked, place: Any) -> Tracked:
    """An element or a part."""
    out = x.value[place]

    def pull(g: Any) -> None:
        full = import_module("numpy").zeros_like(x.value)
        import_module("numpy").add.at(full, place, g)
        x.collect(full)

    return pulled(float(out) if getattr(out, "ndim", 1) == 0 else out, x.tape, pull)


def matmul(a: Any, b: Any) -> Tracked:
    """The matrix product; vectors are allowed on either side."""
    left, right = plain(a), plain(b)
    out = left @ right
    tape = a.tape if isinstance(a, Tracked) else b.tape

    def pull(g: Any) -> None:
        if isinstance(a, Tracked):
            a.collect(_left_grad(g, left, right))
        if isinstance(b, Tracked):
            b.collect(_right_grad(g, left, right))

    return pulled(float(out) if getattr(out, "ndim", 1) == 0 else out, tape, pull)


def _left_grad(g: Any, a: Any, b: Any) -> Any:
    numpy: Any = import_module("numpy")
    if b.ndim == 1:
        return g * b if a.ndim == 1 else numpy.expand_dims(g, -1) * b
    return b @ g if a.ndim == 1 else g @ numpy.swapaxes(b, -1, -2)


def _right_grad(g: Any, a: Any, b: Any) -> Any:
    numpy: Any = import_module("numpy")
    if a.ndim == 1:
        return g * a if b.ndim == 1 else numpy.outer(a, g)
    if b.ndim == 1:
        return (a * numpy.expand_dims(g, -1)).reshape(-1, b.shape[0]).sum(0)
    return numpy.swapaxes(a, -1, -2) @ g


def _reduced(x: Tracked, name: str, axis: Any) -> Tracked:
    numpy: Any = import_module("numpy")
    array = numpy.asarray(x.value)
    out = getattr(array, name)(axis=axis)
    share = 1.0 if name == "sum" else out.size / array.size

    def pull(g: Any) -> None:
        wide = g if axis is None else numpy.expand_dims(g, axis)
        x.collect(numpy.broadcast_to(wide * share, array.shape))

    return pulled(float(out) if out.ndim == 0 else out, x.tape, pull)


def _chosen(condition: Any, a: Any, b: Any) -> Any:
    """``a`` where the condition holds, else ``b``."""
    numpy: Any = import_module("numpy")
    tracked = next(part for part in (a, b) if isinstance(part, Tracked))
    out = numpy.where(condition, plain(a), plain(b))

    def pull(g: Any) -> None:
        for part, share in ((a, condition), (b, numpy.logical_not(condition))):
            if isinstance(part, Tracked):
                part.collect(g * share)

    return pulled(float(out) if out.ndim == 0 else out, tracked.tape, pull)


def _led_by_tracked(name: str, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """numpy calls back here with array operands on the left; Tracked's own reflected methods take over."""
    if len(inputs) == 2 and not isinstance(inputs[0], Tracked):
        array, x = inputs
        return (_Left(array), x) if name not in ("matmul", "maximum", "minimum") else inputs
    return inputs


class _Left:
    """An array as left operand that lets the tracked right one decide."""

    __slots__ = ("array",)

    def __init__(self, array: Any) -> None:
        self.array = array

    def __add__(self, x: Any) -> Any:
        return x + self.array

    def __sub__(self, x: Any) -> Any:
        return x.__rsub__(self.array)

    def __mul__(self, x: Any) -> Any:
        return x * self.array

    def __truediv__(self, x: Any) -> Any:
        return x.__rtruediv__(self.array)

    def __pow__(self, x: Any) -> Any:
        return x.__rpow__(self.array)
