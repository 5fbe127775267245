"""Order-only edges: what must have happened before, without a gradient."""

from __future__ import annotations

from typing import Any, TypeVar

from paragrad.trace.nodes import extra_of
from paragrad.trace.operation import PASS, TABLE, Operation
from paragrad.trace.record import relay
from paragrad.trace.state import STATE
from paragrad.trace.variable import Variable, wrap

T = TypeVar("T")

DEPEND = TABLE.add(Operation("depend", lambda value: value, ("value",), kind="read"))
DEPEND.rules["numeric"] = (PASS,)


def depend(value: T, *after: Any) -> T:
    """``value`` itself, but whatever consumes it comes after the others; the gradient flows to ``value`` alone.

    (Source: the numeric-parameter document, "Dependency Control".)

    Raises:
        TypeError: one of ``after`` is no Variable, so there is nothing to wait for.
    """
    variable: Any = value if isinstance(value, Variable) else Variable(value)
    for other in after:
        if not isinstance(other, Variable):
            raise TypeError(f"depend waits for Variables, not {other!r}; wrap what must come first in a bundle or pg.node")
    if not STATE.get().record:
        return variable  # type: ignore[no-any-return]
    node = relay(DEPEND, variable._n)
    extra_of(node).after = tuple(other._n for other in after)
    made: Any = wrap(node)
    return made  # type: ignore[no-any-return]


def effects(operation: Any) -> Any:
    """The effects an operation declares: None for undeclared, else a tuple."""
    declared = operation.op.effects if hasattr(operation, "op") else operation.effects
    return declared if declared is None else tuple(declared)
