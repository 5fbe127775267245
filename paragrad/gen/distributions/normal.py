"""The normal family on the line: ``normal`` and ``lognormal``."""

from __future__ import annotations

import math
from math import log as _log
from typing import Any

from paragrad.gen.distributions.base import Family, Gradient
from paragrad.gen.distributions.special import INF, LOG_ROOT_2PI, choose, is_array, log, require_positive


class Normal(Family):
    """Normal with ``mean`` and standard deviation ``std`` > 0."""

    __slots__ = ()
    kind = "normal"
    names = ("mean", "std")
    differentiable = True

    def __init__(self, mean: Any, std: Any) -> None:
        self.args = (mean, std)

    @staticmethod
    def draw(rng: Any, mean: Any, std: Any) -> Any:
        if not (std.__class__ is float and std > 0.0):
            require_positive(std, "normal", "std")
        return rng.gauss(mean, std)

    def logpdf(self, value: Any) -> Any:
        """The density of the line's own family, without a detour where everything is a float."""
        mean, std = self.args
        if value.__class__ is float and mean.__class__ is float and std.__class__ is float and std > 0.0:
            z = (value - mean) / std
            return -0.5 * z * z - _log(std) - LOG_ROOT_2PI
        return super().logpdf(value)

    def logpdf_grad(self, value: Any) -> Gradient:
        """As :meth:`logpdf`."""
        mean, std = self.args
        if value.__class__ is float and mean.__class__ is float and std.__class__ is float and std > 0.0:
            z = (value - mean) / std
            slope = z / std
            return -slope, (slope, (z * z - 1.0) / std)
        return super().logpdf_grad(value)

    @staticmethod
    def log_density(value: Any, mean: Any, std: Any) -> Any:
        if std.__class__ is float and std > 0.0:
            z = (value - mean) / std
            if z.__class__ is float:
                return -0.5 * z * z - _log(std) - LOG_ROOT_2PI
            z *= z
            z *= -0.5
            z -= _log(std) + LOG_ROOT_2PI
            return z
        require_positive(std, "normal", "std")
        z = (value - mean) / std
        return -0.5 * z * z - log(std) - LOG_ROOT_2PI

    @staticmethod
    def log_density_grad(value: Any, mean: Any, std: Any) -> Gradient:
        if not (std.__class__ is float and std > 0.0):
            require_positive(std, "normal", "std")
        z = (value - mean) / std
        slope = z / std
        return -slope, (slope, (z * z - 1.0) / std)


class LogNormal(Family):
    """exp of a normal with ``mean`` and ``std``; the density by the value itself."""

    __slots__ = ()
    kind = "lognormal"
    names = ("mean", "std")
    differentiable = True

    @staticmethod
    def draw(rng: Any, mean: Any, std: Any) -> Any:
        drawn = Normal.draw(rng, mean, std)
        if not is_array(drawn):
            return math.exp(drawn)
        import numpy

        return numpy.exp(drawn)

    @staticmethod
    def log_density(value: Any, mean: Any, std: Any) -> Any:
        inside = value > 0
        inner = log(choose(inside, value, 1.0))
        return choose(inside, Normal.log_density(inner, mean, std) - inner, -INF)

    @staticmethod
    def log_density_grad(value: Any, mean: Any, std: Any) -> Gradient:
        inside = value > 0
        value = choose(inside, value, 1.0)
        d_inner, (d_mean, d_std) = Normal.log_density_grad(log(value), mean, std)
        return choose(inside, (d_inner - 1.0) / value, 0.0), (choose(inside, d_mean, 0.0), choose(inside, d_std, 0.0))
