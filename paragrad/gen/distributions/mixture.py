"""``mixture``: one of several distributions, chosen with given probabilities and then forgotten."""

from __future__ import annotations

from math import exp
from typing import Any

from paragrad.errors import UsageError
from paragrad.gen.distributions.base import Family, Gradient
from paragrad.gen.distributions.categorical import checked_probabilities, pick
from paragrad.gen.distributions.special import INF, log


class Mixture(Family):
    """A value of ``parts[i]`` with probability ``probs[i]``; which part it came from is summed out.

    Gradients go to the value and to ``probs`` (as free numbers), not into the parts' own arguments:
    make that choice with ``categorical`` when those are trained.
    """

    __slots__ = ()
    kind = "mixture"
    names = ("probs", "parts")
    differentiable = True
    batches = False

    @staticmethod
    def draw(rng: Any, probs: Any, parts: Any) -> Any:
        return parts[pick(rng, _weights(probs, parts))].sample(rng)

    @staticmethod
    def log_density(value: Any, probs: Any, parts: Any) -> Any:
        terms = [log(weight) + part.logpdf(value) for weight, part in zip(_weights(probs, parts), parts, strict=True)]
        top = max(terms)
        return top + log(sum([exp(term - top) for term in terms])) if top > -INF else -INF

    @staticmethod
    def log_density_grad(value: Any, probs: Any, parts: Any) -> Gradient:
        import numpy

        weights = _weights(probs, parts)
        total = Mixture.log_density(value, probs, parts)
        if total == -INF:
            return 0.0, (numpy.zeros(len(weights)), None)
        densities = numpy.array([exp(part.logpdf(value) - total) for part in parts])
        slopes = [part.logpdf_grad(value)[0] if density else 0.0 for part, density in zip(parts, densities, strict=True)]
        if any(slope is None for slope in slopes):
            return None, (densities, None)
        return sum([w * d * slope for w, d, slope in zip(weights, densities, slopes, strict=True)]), (densities, None)


def _weights(probs: Any, parts: Any) -> list[float]:
    weights = checked_probabilities(probs, "mixture")
    if len(weights) != len(parts):
        raise UsageError(f"mixture: {len(weights)} probs for {len(parts)} parts; they must be as many")
    return weights
