"""Shares: ``beta``, ``beta_uniform`` and ``dirichlet``."""

from __future__ import annotations

import math
from typing import Any

from paragrad.errors import UsageError
from paragrad.gen.distributions.base import Family, Gradient
from paragrad.gen.distributions.special import INF, choose, digamma, is_array, lgamma, log, over, require_positive, require_probability


class Beta(Family):
    """Beta with ``alpha`` > 0 and ``beta`` > 0 on (0, 1)."""

    __slots__ = ()
    kind = "beta"
    names = ("alpha", "beta")
    differentiable = True

    @staticmethod
    def draw(rng: Any, alpha: Any, beta: Any) -> Any:
        _check(alpha, beta)
        return rng.betavariate(alpha, beta)

    @staticmethod
    def log_density(value: Any, alpha: Any, beta: Any) -> Any:
        _check(alpha, beta)
        inner = (alpha - 1.0) * log(value) + (beta - 1.0) * log(1.0 - value)
        return choose((value > 0) & (value < 1), inner + lgamma(alpha + beta) - lgamma(alpha) - lgamma(beta), -INF)

    @staticmethod
    def log_density_grad(value: Any, alpha: Any, beta: Any) -> Gradient:
        _check(alpha, beta)
        inside, both = (value > 0) & (value < 1), digamma(alpha + beta)
        d_value = over(alpha - 1.0, value) - over(beta - 1.0, 1.0 - value)
        d_alpha, d_beta = log(value) + both - digamma(alpha), log(1.0 - value) + both - digamma(beta)
        return choose(inside, d_value, 0.0), (choose(inside, d_alpha, 0.0), choose(inside, d_beta, 0.0))


class BetaUniform(Family):
    """Beta(``alpha``, ``beta``) with probability ``theta``, else uniform on [0, 1]."""

    __slots__ = ()
    kind = "beta_uniform"
    names = ("theta", "alpha", "beta")
    differentiable = True
    batches = False

    @staticmethod
    def draw(rng: Any, theta: Any, alpha: Any, beta: Any) -> Any:
        require_probability(theta, "beta_uniform", "theta")
        return Beta.draw(rng, alpha, beta) if rng.random() < theta else rng.random()

    @staticmethod
    def log_density(value: Any, theta: Any, alpha: Any, beta: Any) -> Any:
        require_probability(theta, "beta_uniform", "theta")
        inside = 0.0 <= value <= 1.0
        return log(theta * math.exp(Beta.log_density(value, alpha, beta)) + 1.0 - theta) if inside else -INF

    @staticmethod
    def log_density_grad(value: Any, theta: Any, alpha: Any, beta: Any) -> Gradient:
        if not 0.0 < value < 1.0:
            return 0.0, (0.0, 0.0, 0.0)
        density = math.exp(Beta.log_density(value, alpha, beta))
        total = math.exp(BetaUniform.log_density(value, theta, alpha, beta))
        share = theta * density / total
        d_value, (d_alpha, d_beta) = Beta.log_density_grad(value, alpha, beta)
        return share * d_value, ((density - 1.0) / total, share * d_alpha, share * d_beta)


class Dirichlet(Family):
    """Dirichlet with ``alpha`` (all > 0): an array of shares that add up to 1."""

    __slots__ = ()
    kind = "dirichlet"
    names = ("alpha",)
    differentiable = True
    batches = False

    @staticmethod
    def draw(rng: Any, alpha: Any) -> Any:
        import numpy

        parts = numpy.array([rng.gammavariate(a, 1.0) for a in _alpha(alpha).tolist()])
        return parts / parts.sum()

    @staticmethod
    def log_density(value: Any, alpha: Any) -> Any:
        alpha = _alpha(alpha)
        value = _shares(value, alpha)
        if not _is_share(value):
            return -INF
        return float(((alpha - 1.0) * log(value)).sum() + math.lgamma(alpha.sum()) - lgamma(alpha).sum())

    @staticmethod
    def log_density_grad(value: Any, alpha: Any) -> Gradient:
        alpha = _alpha(alpha)
        value = _shares(value, alpha)
        if not _is_share(value):
            return 0.0 * value, (0.0 * alpha,)
        return (alpha - 1.0) / value, (log(value) + digamma(float(alpha.sum())) - digamma(alpha),)


def _check(alpha: Any, beta: Any) -> None:
    require_positive(alpha, "beta", "alpha")
    require_positive(beta, "beta", "beta")


def _alpha(alpha: Any) -> Any:
    import numpy

    array = numpy.asarray(alpha, dtype=float)
    if array.ndim != 1 or not len(array):
        raise UsageError(f"dirichlet: alpha has shape {array.shape}; it must be a row of numbers")
    require_positive(array, "dirichlet", "alpha")
    return array


def _shares(value: Any, alpha: Any) -> Any:
    import numpy

    array = numpy.asarray(value, dtype=float)
    if not is_array(array) or array.shape != alpha.shape:
        raise UsageError(f"dirichlet: the value has shape {array.shape}, alpha {alpha.shape}; they must be equal")
    return array


def _is_share(value: Any) -> bool:
    return bool((value > 0).all()) and abs(float(value.sum()) - 1.0) < 1e-6
