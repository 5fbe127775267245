"""``categorical``: one of several, by number, with given probabilities."""

from __future__ import annotations

from itertools import accumulate
from math import fsum
from typing import Any

from paragrad.errors import UsageError
from paragrad.gen.distributions.base import Family, Gradient
from paragrad.gen.distributions.special import INF, log

TOLERANCE = 1e-6


class Categorical(Family):
    """A number from 0 to ``len(probs) - 1``; ``probs`` add up to 1.

    The gradient by ``probs`` treats them as free numbers: 1 / p at the value, 0 elsewhere.
    """

    __slots__ = ()
    kind = "categorical"
    names = ("probs",)
    batches = False

    @staticmethod
    def draw(rng: Any, probs: Any) -> Any:
        return pick(rng, checked_probabilities(probs, "categorical"))

    @staticmethod
    def log_density(value: Any, probs: Any) -> Any:
        weights = checked_probabilities(probs, "categorical")
        return log(weights[int(value)]) if _names_one(value, weights) else -INF

    @staticmethod
    def log_density_grad(value: Any, probs: Any) -> Gradient:
        import numpy

        weights = checked_probabilities(probs, "categorical")
        slopes = numpy.zeros(len(weights))
        if _names_one(value, weights):
            slopes[int(value)] = 1.0 / weights[int(value)] if weights[int(value)] else INF
        return None, (slopes,)


def checked_probabilities(probs: Any, kind: str) -> list[float]:
    """The probabilities as floats.

    Raises:
        UsageError: none, a negative one, or a sum that is not 1.
    """
    weights = [float(p) for p in probs]
    total = fsum(weights)
    if not weights or not min(weights) >= 0 or not abs(total - 1.0) <= TOLERANCE:
        raise UsageError(f"{kind}: probs is {weights!r:.80}, which adds up to {total:.6g}; they must be at least 0 and add up to 1")
    return weights


def pick(rng: Any, weights: list[float]) -> int:
    """A number with these probabilities."""
    u = rng.random() * fsum(weights)
    for number, bound in enumerate(accumulate(weights)):
        if u < bound:
            return number
    return max(number for number, weight in enumerate(weights) if weight)


def _names_one(value: Any, weights: list[float]) -> bool:
    return bool(0 <= value < len(weights)) and value == int(value)
