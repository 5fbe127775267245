"""Order without data: what must have happened before, with no gradient.

Calls run in the program's own order; under :func:`~paragrad.trace.parallel.parallel` those that depend on
each other's results or effects keep it. Where the order hangs on a state that nobody declared, say so here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from paragrad.errors import UsageError
from paragrad.trace.nodes import extra_of
from paragrad.trace.operation import PASS, TABLE, Operation
from paragrad.trace.record import relay
from paragrad.trace.resources import Effects, declared
from paragrad.trace.state import STATE
from paragrad.trace.values import brief
from paragrad.trace.variable import Variable, wrap

T = TypeVar("T")

DEPEND = TABLE.add(Operation("depend", lambda value: value, ("value",), kind="read"))
DEPEND.rules["numeric"] = (PASS,)


def depend(value: T, *after: Any) -> T:
    """``value`` itself, but whatever consumes it comes after the others; the gradient flows to ``value`` alone.

    If one of the others fails, so does what consumes the result. (Source: the numeric-parameter document,
    "Dependency Control".)

    Raises:
        TypeError: one of ``after`` is no Variable, so there is nothing to wait for.
    """
    for other in after:
        if not isinstance(other, Variable):
            raise TypeError(f"depend waits for Variables, not {other!r}; wrap what must come first in a bundle or pg.node")
    group = STATE.get().parallel
    if group is not None and group.among((value, *after), {}):
        return group.step("depend", depend, value, *after)  # type: ignore[no-any-return]
    variable: Any = value if isinstance(value, Variable) else Variable(value)
    if not STATE.get().record:
        return variable  # type: ignore[no-any-return]
    node = relay(DEPEND, variable._n)
    extra_of(node).after = tuple(other._n for other in after)
    made: Any = wrap(node)
    return made  # type: ignore[no-any-return]


def ordered(first: Any, value: T, *after: Any) -> tuple[Any, T]:
    """Operations with a hidden state, run before whatever consumes ``value``::

        status, x = pg.ordered([alloc, clear], x)
        y = compute(x)                              # after clear
        flag = get(pg.depend(status, y))            # after compute

    Only the returned value carries the order, so use it in place of the one given.

    Args:
        first: an operation, or several; the first is called without arguments and makes the status, the
            others are called with it, once ``value`` and ``after`` are there. Or a status made before.
        value: what the operations that come later are given.
        after: further values that must be there before the other operations run.

    Returns:
        The status, to be handed on, and ``value`` with the order in it.

    Raises:
        UsageError: no operation is given.
    """
    steps = list(first) if isinstance(first, Sequence) and not isinstance(first, str) else [first]
    if not steps or not (isinstance(steps[0], Variable) or callable(steps[0])) or not all(map(callable, steps[1:])):
        raise UsageError(f"ordered got {brief(first)}; give operations to run first: pg.ordered([alloc, clear], x)")
    status: Any = steps[0] if isinstance(steps[0], Variable) else steps[0]()
    last = status
    if steps[1:]:
        inputs = [other for other in (value, *after) if isinstance(other, Variable)]
        status = depend(status, *inputs) if inputs else status
        for step in steps[1:]:
            last = step(depend(status, last) if last is not status else status)
    return status, depend(value, last)


def effects(operation: Any) -> Effects | None:
    """The effects an operation declares: None for undeclared, else a tuple with ``reads``, ``writes`` and ``io``.

    Args:
        operation: a bundle, an Operation, or a model component.

    Raises:
        UsageError: nothing that could declare any.
    """
    found = getattr(operation, "op", operation)
    if not hasattr(found, "effects"):
        raise UsageError(f"{brief(operation)} declares no effects; ask a bundle, a prompt or another model component, or v.grad_fn")
    return declared(found.effects)
