"""Tracked: a number or array that remembers what it was made of, for one gradient pass.

A tape is a list of nodes in the order they were made. A node knows its operands and the derivative in
each; one sweep from the end adds up what reaches every leaf. It is kept small and separate from the
graph of Variables because a gradient of a scalar model is a few hundred nanoseconds per operation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

Pull = Callable[[Any], None]


class Tracked:
    """A value with its tape.

    Attributes:
        value: a float or an array.
        grad: the derivative that has reached it, None before any.
    """

    __slots__ = ("a", "b", "da", "db", "grad", "pull", "tape", "value")
    outranks_variables = True  # of Variable * Tracked
    __hash__ = object.__hash__

    def __init__(
        self, value: Any, tape: list[Tracked], a: Tracked | None = None, da: Any = None, b: Tracked | None = None, db: Any = None
    ) -> None:
        self.value = value
        self.tape = tape
        self.a = a
        self.da = da
        self.b = b
        self.db = db
        self.pull: Pull | None = None
        self.grad: Any = None
        if a is not None:
            tape.append(self)

    def collect(self, g: Any) -> None:
        """Add a derivative that reaches this value."""
        if g.__class__ is not float:
            g = fitted(g, self.value)
        self.grad = g if self.grad is None else self.grad + g

    # Arithmetic.

    def __add__(self, other: Any) -> Tracked:
        if other.__class__ is Tracked:
            return Tracked(self.value + other.value, self.tape, self, 1.0, other, 1.0)
        return Tracked(self.value + other, self.tape, self, 1.0)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Tracked:
        if other.__class__ is Tracked:
            return Tracked(self.value - other.value, self.tape, self, 1.0, other, -1.0)
        return Tracked(self.value - other, self.tape, self, 1.0)

    def __rsub__(self, other: Any) -> Tracked:
        return Tracked(other - self.value, self.tape, self, -1.0)

    def __mul__(self, other: Any) -> Tracked:
        if other.__class__ is Tracked:
            return Tracked(self.value * other.value, self.tape, self, other.value, other, self.value)
        return Tracked(self.value * other, self.tape, self, other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Tracked:
        if other.__class__ is Tracked:
            out = self.value / other.value
            return Tracked(out, self.tape, self, 1.0 / other.value, other, -out / other.value)
        return Tracked(self.value / other, self.tape, self, 1.0 / other)

    def __rtruediv__(self, other: Any) -> Tracked:
        out = other / self.value
        return Tracked(out, self.tape, self, -out / self.value)

    def __pow__(self, other: Any) -> Tracked:
        base = self.value
        if other.__class__ is Tracked:
            out = base**other.value
            return Tracked(out, self.tape, self, other.value * base ** (other.value - 1.0), other, out * _log(base))
        return Tracked(base**other, self.tape, self, other * base ** (other - 1) if other.__class__ is not int or other else 0.0)

    def __rpow__(self, other: Any) -> Tracked:
        out = other**self.value
        return Tracked(out, self.tape, self, out * _log(other))

    def __matmul__(self, other: Any) -> Tracked:
        from paragrad.gen.arrays import matmul

        return matmul(self, other)

    def __rmatmul__(self, other: Any) -> Tracked:
        from paragrad.gen.arrays import matmul

        return matmul(other, self)

    def __neg__(self) -> Tracked:
        return Tracked(-self.value, self.tape, self, -1.0)

    def __pos__(self) -> Tracked:
        return self

    def __abs__(self) -> Tracked:
        return Tracked(abs(self.value), self.tape, self, (self.value > 0) * 1.0 - (self.value < 0) * 1.0)

    def __mod__(self, other: Any) -> Tracked:
        if other.__class__ is Tracked:
            return Tracked(self.value % other.value, self.tape, self, 1.0, other, -(self.value // other.value))
        return Tracked(self.value % other, self.tape, self, 1.0)

    def __rmod__(self, other: Any) -> Tracked:
        return Tracked(other % self.value, self.tape, self, -(other // self.value))

    # Looking at it: plain answers, no derivative.

    def __eq__(self, other: object) -> Any:
        return self.value == plain(other)

    def __ne__(self, other: object) -> Any:
        return self.value != plain(other)

    def __lt__(self, other: Any) -> Any:
        return self.value < plain(other)

    def __le__(self, other: Any) -> Any:
        return self.value <= plain(other)

    def __gt__(self, other: Any) -> Any:
        return self.value > plain(other)

    def __ge__(self, other: Any) -> Any:
        return self.value >= plain(other)

    def __bool__(self) -> bool:
        return bool(self.value)

    def __int__(self) -> int:
        return int(self.value)

    def __floor__(self) -> Any:
        return math.floor(self.value)

    def __ceil__(self) -> Any:
        return math.ceil(self.value)

    def __round__(self, digits: int | None = None) -> Any:
        return round(self.value, digits)

    def __format__(self, spec: str) -> str:
        return format(self.value, spec)

    def __repr__(self) -> str:
        return repr(self.value)

    def __float__(self) -> float:
        raise TypeError("float() and the functions of the math module lose the gradient; use gen.exp, gen.log, …, or numpy's")

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("numpy.array() of a tracked value loses the gradient; write gen.stack([a, b]) for an array of several")

    # Arrays.

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Any:
        return iter([self[place] for place in range(len(self.value))])

    def __getitem__(self, place: Any) -> Tracked:
        from paragrad.gen.arrays import getitem

        return getitem(self, place)

    def __getattr__(self, name: str) -> Any:
        from paragrad.gen.arrays import attribute

        return attribute(self, name)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        from paragrad.gen.arrays import ufunc as apply

        return apply(ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        from paragrad.gen.arrays import function as apply

        return apply(function, args, kwargs)


def unary(x: Tracked, out: Any, slope: Any) -> Tracked:
    """The node of a function of one value."""
    return Tracked(out, x.tape, x, slope)


def pulled(value: Any, tape: list[Tracked], pull: Pull) -> Tracked:
    """The node of anything else: ``pull`` gets the derivative that reached it and hands it on."""
    made = Tracked(value, tape)
    made.pull = pull
    tape.append(made)
    return made


def derive_pair(dist: Any, value: Any, a: Any, b: Any, scale: float) -> bool:
    """Hand the derivatives of a density of two floats, which most are, to those that are tracked; False: there is more to it."""
    x, y = a, b
    if a.__class__ is Tracked:
        x = a.value
    elif b.__class__ is not Tracked:
        return a.__class__ is float and b.__class__ is float
    if b.__class__ is Tracked:
        y = b.value
    if x.__class__ is not float or y.__class__ is not float or value.__class__ is not float:
        return False
    grad = getattr(dist, "log_density_grad", None)
    if grad is None:
        return False
    g, h = grad(value, x, y)[1]
    for part, own in ((a, g), (b, h)):
        if own is not None and part.__class__ is Tracked:
            own = own * scale
            if own.__class__ is float:
                part.grad = own if part.grad is None else part.grad + own
            else:
                part.collect(own)
    return True


def sweep(tape: list[Tracked]) -> None:
    """Carry the derivatives from the end of the tape to its leaves."""
    for node in reversed(tape):
        g = node.grad
        if g is None:
            continue
        if node.pull is not None:
            node.pull(g)
            continue
        a, b = node.a, node.b
        if a is not None:
            c = g * node.da
            if c.__class__ is not float:
                c = fitted(c, a.value)
            a.grad = c if a.grad is None else a.grad + c
        if b is not None:
            c = g * node.db
            if c.__class__ is not float:
                c = fitted(c, b.value)
            b.grad = c if b.grad is None else b.grad + c


def fitted(g: Any, value: Any) -> Any:
    """A derivative in the shape of the value: axes that were broadcast are summed."""
    wanted = getattr(value, "shape", ())
    shape = getattr(g, "shape", ())
    if shape == wanted:
        return float(g) if value.__class__ is float else g
    if not wanted:
        return float(g.sum())
    if len(shape) > len(wanted):
        g = g.sum(axis=tuple(range(len(shape) - len(wanted))))
    axes = tuple(axis for axis, size in enumerate(wanted) if size == 1 and getattr(g, "shape", wanted)[axis] != 1)
    g = g.sum(axis=axes, keepdims=True) if axes else g
    return g if getattr(g, "shape", ()) == wanted else g + 0.0 * value


def plain(value: Any) -> Any:
    """Without tracking."""
    return value.value if value.__class__ is Tracked else value


def _log(x: Any) -> Any:
    if isinstance(x, float | int):
        return math.log(x) if x > 0 else math.nan
    from importlib import import_module

    return import_module("numpy").log(x)
