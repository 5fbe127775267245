"""Shares: ``beta``, ``beta_uniform`` and ``dirichlet``."""

from __future__ import annotations

from typing import Any

from paragrad.errors import UsageError
from paragrad.gen.distributions.base import Family, Gradient
from paragrad.gen.distributions.batch import as_given, is_batch, table
from paragrad.gen.distributions.special import INF, choose, digamma, exp, lgamma, log, over, require_positive, require_probability


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

    @staticmethod
    def draw(rng: Any, theta: Any, alpha: Any, beta: Any) -> Any:
        require_probability(theta, "beta_uniform", "theta")
        if is_batch(rng):
            return choose(rng.random() < theta, Beta.draw(rng, alpha, beta), rng.random())
        return Beta.draw(rng, alpha, beta) if rng.random() < theta else rng.random()

    @staticmethod
    def log_density(value: Any, theta: Any, alpha: Any, beta: Any) -> Any:
        require_probability(theta, "beta_uniform", "theta")
        inside = (value >= 0.0) & (value <= 1.0)
        return choose(inside, log(theta * exp(Beta.log_density(value, alpha, beta)) + 1.0 - theta), -INF)

    @staticmethod
    def log_density_grad(value: Any, theta: Any, alpha: Any, beta: Any) -> Gradient:
        inside = (value > 0.0) & (value < 1.0)
        density = exp(Beta.log_density(value, alpha, beta))
        total = choose(inside, theta * density + 1.0 - theta, 1.0)
        share = theta * density / total
        d_value, (d_alpha, d_beta) = Beta.log_density_grad(value, alpha, beta)
        d_theta = choose(inside, (density - 1.0) / total, 0.0)
        return share * d_value, (d_theta, share * d_alpha, share * d_beta)


class Dirichlet(Family):
    """Dirichlet with ``alpha`` (all > 0): an array of shares that add up to 1."""

    __slots__ = ()
    kind = "dirichlet"
    names = ("alpha",)
    differentiable = True

    @staticmethod
    def draw(rng: Any, alpha: Any) -> Any:
        if is_batch(rng):
            alpha = _alpha(alpha)
            parts = rng.generator.gamma(alpha, 1.0, (rng.size, alpha.shape[-1]))
            return parts / parts.sum(-1, keepdims=True)
        import numpy

        parts = numpy.array([rng.gammavariate(a, 1.0) for a in _alpha(alpha).tolist()])
        return parts / parts.sum()

    @staticmethod
    def log_density(value: Any, alpha: Any) -> Any:
        alpha = _alpha(alpha)
        value = _shares(value, alpha)
        inside = _is_share(value)
        value = choose(inside[..., None], value, 1.0)
        found = ((alpha - 1.0) * log(value)).sum(-1) + lgamma(alpha.sum(-1)) - lgamma(alpha).sum(-1)
        return choose(inside, found, -INF) if inside.ndim else float(found) if inside else -INF

    @staticmethod
    def log_density_grad(value: Any, alpha: Any) -> Gradient:
        given, alpha = alpha, _alpha(alpha)
        value = _shares(value, alpha)
        inside = _is_share(value)[..., None]
        value = choose(inside, value, 1.0)
        d_alpha = log(value) + digamma(alpha.sum(-1, keepdims=True)) - digamma(alpha)
        return choose(inside, (alpha - 1.0) / value, 0.0), (as_given(choose(inside, d_alpha, 0.0), given),)


def _check(alpha: Any, beta: Any) -> None:
    require_positive(alpha, "beta", "alpha")
    require_positive(beta, "beta", "beta")


def _alpha(alpha: Any) -> Any:
    array = table(alpha)
    if not 0 < array.ndim < 3 or not array.shape[-1]:
        raise UsageError(f"dirichlet: alpha has shape {array.shape}; it must be a row of numbers, or one row per sample")
    require_positive(array, "dirichlet", "alpha")
    return array


def _shares(value: Any, alpha: Any) -> Any:
    """Values and alpha have a row per sample, or are one for all."""
    array = table(value)
    if array.shape != alpha.shape and (array.shape[-1:] != alpha.shape[-1:] or {array.ndim, alpha.ndim} != {1, 2}):
        raise UsageError(f"dirichlet: the value has shape {array.shape}, alpha {alpha.shape}; they must be equal")
    return array if array.ndim >= alpha.ndim else array + 0.0 * alpha


def _is_share(value: Any) -> Any:
    return (value > 0).all(-1) & (abs(value.sum(-1) - 1.0) < 1e-6)
