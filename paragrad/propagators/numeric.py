"""Numeric gradients: the chain rule on Python numbers, flat lists of them, and arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paragrad.propagators.base import Base
from paragrad.protocols.gradient import Feedback, Tag
from paragrad.trace.values import brief
from paragrad.trace.variable import Variable


def is_number(value: Any) -> bool:
    """An int or float (a bool is a choice, not a number)."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def shape_of(value: Any) -> tuple[int, ...] | None:
    """The shape of a numeric value; None for anything else."""
    if isinstance(value, Variable):
        value = value._n.value
    if is_number(value):
        return ()
    if isinstance(value, (list, tuple)):
        return (len(value),) if value and all(is_number(x) for x in value) else None
    shape = getattr(value, "shape", None)
    return tuple(shape) if shape is not None else None


def add(a: Any, b: Any) -> Any:
    """The sum of two gradients of one shape."""
    if isinstance(a, (list, tuple)):
        return [add(x, y) for x, y in zip(a, b, strict=True)]
    return a + b


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
            return 1.0 if is_number(output.value) else self._ones(output.value)
        given = feedback if not isinstance(feedback, Variable) or output.create_graph else feedback._n.value
        wanted, shape = shape_of(output.value), shape_of(given)
        if shape is None:
            return None
        if wanted != shape:
            what = "is not numeric" if wanted is None else f"has shape {wanted}"
            raise RuntimeError(f"the gradient {brief(given)} has shape {shape} but the output {what}; they must match")
        return float(given) if isinstance(given, int) else given

    def _ones(self, value: Any) -> Any:
        size = getattr(value, "size", None)
        if size == 1 and getattr(getattr(value, "dtype", None), "kind", "") in "iuf":
            return value * 0 + 1.0
        return None

    def pull(self, record: Any, gradient: Any) -> Sequence[Any]:
        """No rule: nothing flows."""
        return [None] * len(record.names)

    def deliver(self, accumulator: Any, gradient: Any, tag: Tag, stale: bool) -> None:
        """Add to the running sum."""
        accumulator.add_number(gradient, tag.item)
