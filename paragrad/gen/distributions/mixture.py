"""``mixture``: one of several distributions, chosen with given probabilities and then forgotten."""

from __future__ import annotations

from math import exp
from typing import Any

from paragrad.errors import UsageError
from paragrad.gen.distributions.base import Family, Gradient
from paragrad.gen.distributions.batch import as_given, is_batch, table
from paragrad.gen.distributions.categorical import checked_probabilities, per_sample, pick, pick_many, shares
from paragrad.gen.distributions.special import INF, is_array, log


class Mixture(Family):
    """A value of ``parts[i]`` with probability ``probs[i]``; which part it came from is summed out.

    Gradients go to the value and to ``probs`` (as free numbers), not into the parts' own arguments:
    make that choice with ``categorical`` when those are trained.
    """

    __slots__ = ()
    kind = "mixture"
    names = ("probs", "parts")
    differentiable = True

    @staticmethod
    def draw(rng: Any, probs: Any, parts: Any) -> Any:
        if is_batch(rng):
            return _drawn(rng, pick_many(rng, _shares(probs, parts)), parts)
        return parts[pick(rng, _weights(probs, parts))].sample(rng)

    @staticmethod
    def log_density(value: Any, probs: Any, parts: Any) -> Any:
        logps = [part.logpdf(value) for part in parts]
        if per_sample(probs) or any(map(is_array, logps)):
            return _many(_shares(probs, parts), logps)
        terms = [log(weight) + logp for weight, logp in zip(_weights(probs, parts), logps, strict=True)]
        top = max(terms)
        return top + log(sum([exp(term - top) for term in terms])) if top > -INF else -INF

    @staticmethod
    def log_density_grad(value: Any, probs: Any, parts: Any) -> Gradient:
        import numpy

        total = Mixture.log_density(value, probs, parts)
        if is_array(total):
            return _many_slopes(value, probs, parts, total)
        weights = _weights(probs, parts)
        if total == -INF:
            return 0.0, (numpy.zeros(len(weights)), None)
        densities = numpy.array([exp(part.logpdf(value) - total) for part in parts])
        slopes = [part.logpdf_grad(value)[0] if density else 0.0 for part, density in zip(parts, densities, strict=True)]
        if any(slope is None for slope in slopes):
            return None, (densities, None)
        return sum([w * d * slope for w, d, slope in zip(weights, densities, slopes, strict=True)]), (densities, None)


def _drawn(rng: Any, which: Any, parts: Any) -> Any:
    """Of the values that every part draws, each sample's."""
    import numpy

    drawn = [numpy.asarray(part.sample_many(rng.generator, rng.size)) for part in parts]
    found = drawn[0]
    for number, values in enumerate(drawn[1:], 1):
        found = numpy.where((which == number).reshape(-1, *[1] * (values.ndim - 1)), values, found)
    return found


def _many(weights: Any, logps: list[Any]) -> Any:
    import numpy

    terms = log(weights) + table(logps)
    return numpy.logaddexp.reduce(terms, axis=-1)


def _many_slopes(value: Any, probs: Any, parts: Any, total: Any) -> Gradient:
    import numpy

    weights, outside = _shares(probs, parts), total == -INF
    densities = numpy.exp(table([part.logpdf(value) for part in parts]) - numpy.where(outside, 0.0, total)[:, None])
    densities[outside] = 0.0
    slopes = [part.logpdf_grad(value)[0] for part in parts]
    d_value: Any = None
    if not any(slope is None for slope in slopes):
        d_value = 0.0
        for share, slope in zip(numpy.moveaxis(weights * densities, -1, 0), slopes, strict=True):
            share = share.reshape(share.shape + (1,) * (numpy.ndim(slope) - 1))
            d_value = d_value + numpy.where(share, share * slope, 0.0)
    return d_value, (as_given(densities, probs), None)


def _shares(probs: Any, parts: Any) -> Any:
    weights = shares(probs, "mixture")
    if weights.shape[-1] != len(parts):
        raise UsageError(f"mixture: {weights.shape[-1]} probs for {len(parts)} parts; they must be as many")
    return weights


def _weights(probs: Any, parts: Any) -> list[float]:
    weights = checked_probabilities(probs, "mixture")
    if len(weights) != len(parts):
        raise UsageError(f"mixture: {len(weights)} probs for {len(parts)} parts; they must be as many")
    return weights
