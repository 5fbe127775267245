"""Numeric gradients: the chain rule on Python numbers, flat lists of them, and arrays."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from paragrad.propagators.base import Base
from paragrad.protocols.gradient import Feedback, Tag
from paragrad.trace.operators import ADDED
from paragrad.trace.record import operate
from paragrad.trace.spread import plus
from paragrad.trace.values import brief, check_data, is_array, is_number, is_numeric
from paragrad.trace.variable import Variable


def shape_of(value: Any) -> tuple[int, ...] | None:
    """The shape of a numeric value; None for anything else."""
    if isinstance(value, Variable):
        value = value._n.value
    if not is_numeric(value):
        return None
    if isinstance(value, (list, tuple)):
        inner = {shape_of(x) for x in value}
        return (len(value), *(inner.pop() or ())) if len(inner) == 1 else (len(value), -1)
    return tuple(getattr(value, "shape", ()))


def ones(value: Any) -> Any:
    """1 in the form of a value with one element; None for anything else."""
    if is_number(value):
        return 1.0
    if isinstance(value, (list, tuple)) and len(value) == 1:
        inner = ones(value[0])
        return None if inner is None else [inner]
    return value * 0 + 1.0 if is_numeric(value) and getattr(value, "size", None) == 1 else None


def add(a: Any, b: Any) -> Any:
    """The sum of two gradients of one form; recorded when they are Variables."""
    if isinstance(a, Variable) or isinstance(b, Variable):
        return operate(ADDED, (a, b))
    return plus(a, b)


def formed(gradient: Any, value: Any) -> Any:
    """A gradient in the form of the value it belongs to: an array for an array, lists for lists."""
    if isinstance(value, (list, tuple)):
        return gradient.tolist() if hasattr(gradient, "tolist") else gradient
    if isinstance(gradient, (list, tuple)):
        dtype = value.dtype if value.dtype.kind == "f" else float
        return import_module("numpy").asarray(gradient, dtype=dtype)
    return gradient


class Numeric(Base):
    """Vector-Jacobian products; an operation without a numeric rule stops them."""

    kind = "numeric"
    default = None
    local = staticmethod(add)
    tagged = False

    def seed(self, output: Any, feedback: Any) -> Any:
        """1 for a number without feedback, else the given gradient; words are not for us.

        Raises:
            RuntimeError: the gradient's shape is not the output's.
        """
        if isinstance(feedback, (str, Feedback)):
            return None
        if feedback is None:
            return ones(output.value)
        given = feedback if not isinstance(feedback, Variable) or output.create_graph else feedback._n.value
        if given.__class__.__module__.partition(".")[0] == "torch":
            given = check_data(given)  # as an array
        wanted, shape = shape_of(output.value), shape_of(given)
        if shape is None:
            return None
        if wanted != shape:
            what = "is not numeric" if wanted is None else f"has shape {wanted}"
            raise RuntimeError(f"the gradient {brief(given)} has shape {shape} but the output {what}; they must match")
        return float(given) if is_number(given) else given if isinstance(given, Variable) else formed(given, output.value)

    def pull(self, record: Any, gradient: Any) -> Sequence[Any]:
        """No rule: nothing flows."""
        return [None] * len(record.names)

    def deliver(self, accumulator: Any, gradient: Any, tag: Tag, stale: bool) -> None:
        """Add to the running sum; a numpy scalar counts as the number it is."""
        if not isinstance(gradient, (float, Variable)) and hasattr(gradient, "item") and not is_array(gradient):
            gradient = gradient.item()
        accumulator.add_number(gradient, tag.item)

    def deliver_all(self, accumulator: Any, gradients: Sequence[Any], tag: Tag, stale: bool) -> None:
        """Add to the running sum; floats all at once."""
        if set(map(type, gradients)) == {float}:
            accumulator.add_floats(gradients)
        else:
            super().deliver_all(accumulator, gradients, tag, stale)
