"""Draws into an array of any float type: in place where numpy can, in float32 on the way to float16."""

from __future__ import annotations

import math
from typing import Any

LEAST_ACCEPTED = 0.25
"""Share of plain normal draws that must fall inside the bounds; below, draws are made inside them (Robert 1995)."""


def normal(array: Any, generator: Any, std: float, mean: float = 0.0) -> None:
    """Fill with normal draws."""
    work = _work(array)
    generator.standard_normal(out=work, dtype=work.dtype)
    work *= std
    if mean:
        work += mean
    _keep(array, work)


def uniform(array: Any, generator: Any, low: float, high: float) -> None:
    """Fill with draws from ``low`` up to ``high``."""
    work = _work(array)
    generator.random(out=work, dtype=work.dtype)
    work *= high - low
    work += low
    _keep(array, work)


def truncated(array: Any, generator: Any, std: float, mean: float, low: float, high: float) -> None:
    """Fill with normal draws that lie between ``low`` and ``high``, each redrawn until it does."""
    import numpy

    a, b = (low - mean) / std, (high - mean) / std
    inside = _mass(a, b)
    work = numpy.empty(array.size)
    todo = numpy.arange(array.size)
    while todo.size:
        if inside >= LEAST_ACCEPTED:
            drawn = generator.standard_normal(todo.size)
            good = (drawn >= a) & (drawn <= b)
        else:
            drawn, good = _narrow(generator, todo.size, a, b)
        work[todo[good]] = drawn[good]
        todo = todo[~good]
    with numpy.errstate(over="ignore"):
        array[...] = (work * std + mean).reshape(array.shape)
    numpy.clip(array, low, high, out=array)  # rounding to a smaller type may step over a bound


def _narrow(generator: Any, count: int, a: float, b: float) -> tuple[Any, Any]:
    """Uniform draws between the bounds, accepted in proportion to the density; a far tail is cut where nothing is left of it."""
    import numpy

    nearest = min(max(0.0, a), b)
    reach = 40.0 / (abs(nearest) + 1.0)
    a, b = max(a, nearest - reach), min(b, nearest + reach)
    drawn = generator.uniform(a, b, count)
    return drawn, generator.random(count) <= numpy.exp((nearest**2 - drawn**2) / 2)


def _mass(a: float, b: float) -> float:
    """The probability between two bounds in standard deviations."""
    return (math.erf(b / math.sqrt(2)) - math.erf(a / math.sqrt(2))) / 2


def _work(array: Any) -> Any:
    """The array itself when numpy draws its type, else a float32 one of its shape."""
    import numpy

    return array if array.dtype.itemsize >= 4 else numpy.empty(array.shape, "float32")


def _keep(array: Any, work: Any) -> None:
    if work is not array:
        array[...] = work
