"""``categorical``: one of several, by number, with given probabilities."""

from __future__ import annotations

from itertools import accumulate
from math import fsum
from typing import Any

from paragrad.errors import UsageError
from paragrad.gen.distributions.base import Family, Gradient
from paragrad.gen.distributions.batch import as_given, is_batch, table
from paragrad.gen.distributions.special import INF, is_array, log

TOLERANCE = 1e-6


class Categorical(Family):
    """A number from 0 to ``len(probs) - 1``; ``probs`` add up to 1.

    The gradient by ``probs`` treats them as free numbers: 1 / p at the value, 0 elsewhere. In a batch they are the same
    for all samples, or have one row per sample, or are a list in which each has one entry per sample.
    """

    __slots__ = ()
    kind = "categorical"
    names = ("probs",)

    @staticmethod
    def draw(rng: Any, probs: Any) -> Any:
        return pick_many(rng, shares(probs, "categorical")) if is_batch(rng) else pick(rng, checked_probabilities(probs, "categorical"))

    @staticmethod
    def log_density(value: Any, probs: Any) -> Any:
        if is_array(value) or per_sample(probs):
            return log(_chosen(value, shares(probs, "categorical"))[0])
        weights = checked_probabilities(probs, "categorical")
        return log(weights[int(value)]) if _names_one(value, weights) else -INF

    @staticmethod
    def log_density_grad(value: Any, probs: Any) -> Gradient:
        import numpy

        if is_array(value) or per_sample(probs):
            found, at = _chosen(value, shares(probs, "categorical"))
            return None, (as_given(over_each(at, found[..., None]), probs),)
        weights = checked_probabilities(probs, "categorical")
        slopes = numpy.zeros(len(weights))
        if _names_one(value, weights):
            slopes[int(value)] = 1.0 / weights[int(value)] if weights[int(value)] else INF
        return None, (slopes,)


def per_sample(probs: Any) -> bool:
    """Whether probabilities differ from sample to sample."""
    return any(map(is_array, probs)) if isinstance(probs, list | tuple) else getattr(probs, "ndim", 1) > 1


def shares(probs: Any, kind: str) -> Any:
    """Probabilities of many samples as an array; those of one sample are along its last axis.

    Raises:
        UsageError: none, a negative one, or a sum that is not 1.
    """
    weights = table(_row(probs, kind))
    totals = weights.sum(-1)
    if not weights.shape[-1] or not (weights >= 0).all() or not (abs(totals - 1.0) <= TOLERANCE).all():
        raise UsageError(f"{kind}: probs is {weights!r:.80}, which adds up to {totals!r:.40}; they must be at least 0 and add up to 1")
    return weights


def pick_many(rng: Any, weights: Any) -> Any:
    """A number for every sample."""
    import numpy

    bounds = numpy.cumsum(weights, axis=-1)
    found = (rng.random()[:, None] * bounds[..., -1:] >= bounds).sum(-1)
    last = weights.shape[-1] - 1 - numpy.argmax(weights[..., ::-1] > 0, axis=-1)
    return numpy.minimum(found, last)


def over_each(at: Any, shares: Any) -> Any:
    """1 / share where ``at`` says, 0 elsewhere; inf for a share of 0."""
    import numpy

    with numpy.errstate(divide="ignore"):
        return numpy.where(at, 1.0 / shares, 0.0)


def _chosen(value: Any, weights: Any) -> tuple[Any, Any]:
    """The probability of every sample's value, 0 for what is no value; and where in its row it is."""
    import numpy

    at = numpy.asarray(value)[..., None] == numpy.arange(weights.shape[-1])
    return numpy.where(at, weights, 0.0).sum(-1), at


def checked_probabilities(probs: Any, kind: str) -> list[float]:
    """The probabilities as floats.

    Raises:
        UsageError: none, a negative one, or a sum that is not 1.
    """
    weights = [float(p) for p in _row(probs, kind)]
    total = fsum(weights)
    if not weights or not min(weights) >= 0 or not abs(total - 1.0) <= TOLERANCE:
        raise UsageError(f"{kind}: probs is {weights!r:.80}, which adds up to {total:.6g}; they must be at least 0 and add up to 1")
    return weights


def _row(probs: Any, kind: str) -> Any:
    if probs.__class__ is not list and not getattr(probs, "ndim", hasattr(probs, "__len__")):
        raise UsageError(f"{kind}: probs is {probs!r:.60}; it must be a list or an array of numbers")
    return probs


def pick(rng: Any, weights: list[float]) -> int:
    """A number with these probabilities."""
    u = rng.random() * fsum(weights)
    for number, bound in enumerate(accumulate(weights)):
        if u < bound:
            return number
    return max(number for number, weight in enumerate(weights) if weight)


def _names_one(value: Any, weights: list[float]) -> bool:
    return bool(0 <= value < len(weights)) and value == int(value)
