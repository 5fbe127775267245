"""Exact samplers of counts from a ``random.Random``, which has none for them before Python 3.12."""

from __future__ import annotations

import math
from typing import Any

_DIRECT = 16


def binomial(rng: Any, n: Any, p: Any) -> Any:
    """Successes among ``n`` trials, in O(log n): a Beta draw splits the trials at their median (Devroye 1986, X.4.3)."""
    if hasattr(rng, "binomial"):
        return rng.binomial(n, p)
    count, n, p = 0, int(n), float(p)
    while n > _DIRECT and 0.0 < p < 1.0:
        middle = (n + 1) // 2
        at = rng.betavariate(middle, n + 1 - middle)
        if at <= p:
            count, n, p = count + middle, n - middle, (p - at) / (1.0 - at)
        else:
            n, p = middle - 1, p / at
    return count + sum([rng.random() < p for _ in range(n)])


def poisson(rng: Any, rate: Any) -> Any:
    """Events of a Poisson process in one unit of time, in O(log rate) (Ahrens and Dieter 1974)."""
    if hasattr(rng, "poisson"):
        return rng.poisson(rate)
    count, rate = 0, float(rate)
    while rate > _DIRECT:
        middle = int(rate * 7 / 8)
        at = rng.gammavariate(middle, 1.0)
        if at > rate:
            return count + binomial(rng, middle - 1, rate / at)
        count, rate = count + middle, rate - at
    product, least = rng.random(), math.exp(-rate)
    while product > least:
        product *= rng.random()
        count += 1
    return count


def normals(rng: Any, count: int) -> Any:
    """``count`` independent standard normal numbers as an array."""
    import numpy

    return numpy.array([rng.gauss(0.0, 1.0) for _ in range(count)])
