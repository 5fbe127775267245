"""check_grads: gradient rules against finite differences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from paragrad.trace import Variable


def check_grads(
    fn: Callable[..., Any], args: Sequence[Any], *, order: int = 1, step: float = 1e-6, rtol: float = 1e-4, atol: float = 1e-6
) -> None:
    """Compare the numeric gradients of ``fn`` at ``args`` with central differences.

    Args:
        fn: a function of Variables that returns a Variable of a number (sum up other outputs first).
        args: numbers, flat lists of floats, or arrays; every one is differentiated.
        order: 2 checks the derivatives of the gradients too (``create_graph``).
        step: of the differences. ``rtol``, ``atol``: tolerances.

    Raises:
        AssertionError: names the argument and element, with both values.
    """
    found = gradients(fn, args)
    for a, arg in enumerate(args):
        for place in places(arg):
            wanted = _difference(lambda moved: float(fn(*map(Variable, moved)).value), args, a, place, step)
            _agree(at(found[a], place), wanted, f"d/d argument {a} at {place}", rtol, atol)
    if order > 1:
        _check_second(fn, args, max(step, 1e-5), max(rtol, 1e-3), max(atol, 1e-5))


def gradients(fn: Callable[..., Any], args: Sequence[Any]) -> list[Any]:
    """The gradient of every argument, zeros where nothing flowed."""
    variables: list[Variable[Any]] = [Variable(arg, requires_grad=True) for arg in args]
    out = fn(*variables)
    if out.grad_fn is None:
        return [None] * len(args)
    out.backward()
    return [v.grad[0].value if v.grad else None for v in variables]


def places(value: Any) -> Iterator[Any]:
    """Every element of a number (None), a list (index) or an array (index tuple)."""
    if isinstance(value, (list, tuple)):
        yield from range(len(value))
    elif getattr(value, "shape", ()):
        import numpy as np

        yield from np.ndindex(value.shape)
    else:
        yield None


def at(value: Any, place: Any) -> float:
    """One element; 0 of nothing."""
    if value is None:
        return 0.0
    return float(value if place is None else value[place])


def moved(value: Any, place: Any, by: float) -> Any:
    """``value`` with one element changed."""
    if place is None:
        return value + by
    changed = list(value) if isinstance(value, (list, tuple)) else value.copy()
    changed[place] += by
    return changed


def _difference(f: Callable[[list[Any]], float], args: Sequence[Any], a: int, place: Any, step: float) -> float:
    up, down = ([moved(x, place, by) if i == a else x for i, x in enumerate(args)] for by in (step, -step))
    return (f(up) - f(down)) / (2 * step)


def _check_second(fn: Callable[..., Any], args: Sequence[Any], step: float, rtol: float, atol: float) -> None:
    for a, arg in enumerate(args):
        for place in places(arg):
            found = _second(fn, args, a, place)
            for b, other in enumerate(args):
                for where in places(other):
                    wanted = _difference(lambda at_: at(gradients(fn, at_)[a], place), args, b, where, step)  # noqa: B023 - used at once
                    _agree(at(found[b], where), wanted, f"d2/d argument {a} at {place} d argument {b} at {where}", rtol, atol)


def _second(fn: Callable[..., Any], args: Sequence[Any], a: int, place: Any) -> list[Any]:
    """The gradient of one element of the gradient of argument ``a``."""
    variables: list[Variable[Any]] = [Variable(arg, requires_grad=True) for arg in args]
    fn(*variables).backward(create_graph=True)
    if not variables[a].grad:
        return [None] * len(args)
    element = variables[a].grad[0] if place is None else variables[a].grad[0][place]
    for v in variables:
        v.grad = None
    if element.grad_fn is None:
        return [None] * len(args)
    element.backward()
    return [v.grad[0].value if v.grad else None for v in variables]


def _agree(found: float, wanted: float, what: str, rtol: float, atol: float) -> None:
    if not abs(found - wanted) <= atol + rtol * abs(wanted):
        raise AssertionError(f"check_grads: {what} is {found!r} but finite differences give {wanted!r}")
