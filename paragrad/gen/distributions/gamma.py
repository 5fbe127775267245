"""Waiting times: ``exponential``, ``gamma`` and ``inv_gamma``."""

from __future__ import annotations

from typing import Any

from paragrad.gen.distributions.base import Family, Gradient
from paragrad.gen.distributions.special import INF, choose, digamma, lgamma, log, over, require_positive


class Exponential(Family):
    """Exponential with ``rate`` > 0 (mean 1 / rate)."""

    __slots__ = ()
    kind = "exponential"
    names = ("rate",)
    differentiable = True

    @staticmethod
    def draw(rng: Any, rate: Any) -> Any:
        require_positive(rate, "exponential", "rate")
        return rng.expovariate(rate)

    @staticmethod
    def log_density(value: Any, rate: Any) -> Any:
        require_positive(rate, "exponential", "rate")
        return choose(value >= 0, log(rate) - rate * value, -INF)

    @staticmethod
    def log_density_grad(value: Any, rate: Any) -> Gradient:
        require_positive(rate, "exponential", "rate")
        inside = value >= 0
        return choose(inside, -rate, 0.0), (choose(inside, 1.0 / rate - value, 0.0),)


class Gamma(Family):
    """Gamma with ``shape`` > 0 and ``scale`` > 0 (mean shape * scale)."""

    __slots__ = ()
    kind = "gamma"
    names = ("shape", "scale")
    differentiable = True

    @staticmethod
    def draw(rng: Any, shape: Any, scale: Any) -> Any:
        _check("gamma", shape, scale)
        return rng.gammavariate(shape, scale)

    @staticmethod
    def log_density(value: Any, shape: Any, scale: Any) -> Any:
        _check("gamma", shape, scale)
        power = choose(shape == 1, 0.0, (shape - 1.0) * choose(value > 0, log(value), -INF))
        return choose(value >= 0, power - value / scale - shape * log(scale) - lgamma(shape), -INF)

    @staticmethod
    def log_density_grad(value: Any, shape: Any, scale: Any) -> Gradient:
        _check("gamma", shape, scale)
        inside = value > 0
        d_value = over(shape - 1.0, value) - 1.0 / scale
        d_shape = log(value) - log(scale) - digamma(shape)
        d_scale = (value / scale - shape) / scale
        return choose(inside, d_value, 0.0), (choose(inside, d_shape, 0.0), choose(inside, d_scale, 0.0))


class InvGamma(Family):
    """1 / x for a gamma x with ``shape`` and scale 1 / ``scale``; the density by the value itself."""

    __slots__ = ()
    kind = "inv_gamma"
    names = ("shape", "scale")
    differentiable = True

    @staticmethod
    def draw(rng: Any, shape: Any, scale: Any) -> Any:
        _check("inv_gamma", shape, scale)
        return scale / rng.gammavariate(shape, 1.0)

    @staticmethod
    def log_density(value: Any, shape: Any, scale: Any) -> Any:
        _check("inv_gamma", shape, scale)
        inside = value > 0
        value = choose(inside, value, 1.0)
        return choose(inside, shape * log(scale) - lgamma(shape) - (shape + 1.0) * log(value) - scale / value, -INF)

    @staticmethod
    def log_density_grad(value: Any, shape: Any, scale: Any) -> Gradient:
        _check("inv_gamma", shape, scale)
        inside = value > 0
        value = choose(inside, value, 1.0)
        d_value = (scale / value - (shape + 1.0)) / value
        d_shape = log(scale) - digamma(shape) - log(value)
        d_scale = shape / scale - 1.0 / value
        return choose(inside, d_value, 0.0), (choose(inside, d_shape, 0.0), choose(inside, d_scale, 0.0))


def _check(kind: str, shape: Any, scale: Any) -> None:
    require_positive(shape, kind, "shape")
    require_positive(scale, kind, "scale")
