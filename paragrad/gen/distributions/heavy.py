"""Symmetric families with heavier tails than the normal: ``laplace`` and ``cauchy``."""

from __future__ import annotations

import math
from typing import Any

from paragrad.gen.distributions.base import Family, Gradient
from paragrad.gen.distributions.special import choose, is_array, log, require_positive


class Laplace(Family):
    """Laplace with location ``loc`` and ``scale`` > 0."""

    __slots__ = ()
    kind = "laplace"
    names = ("loc", "scale")
    differentiable = True

    @staticmethod
    def draw(rng: Any, loc: Any, scale: Any) -> Any:
        require_positive(scale, "laplace", "scale")
        return loc + scale * (rng.expovariate(1.0) - rng.expovariate(1.0))

    @staticmethod
    def log_density(value: Any, loc: Any, scale: Any) -> Any:
        require_positive(scale, "laplace", "scale")
        return -log(2.0 * scale) - abs(value - loc) / scale

    @staticmethod
    def log_density_grad(value: Any, loc: Any, scale: Any) -> Gradient:
        require_positive(scale, "laplace", "scale")
        away = value - loc
        slope = choose(away > 0, 1.0, choose(away < 0, -1.0, 0.0)) / scale
        return -slope, (slope, (abs(away) / scale - 1.0) / scale)


class Cauchy(Family):
    """Cauchy with location ``loc`` and ``scale`` > 0."""

    __slots__ = ()
    kind = "cauchy"
    names = ("loc", "scale")
    differentiable = True

    @staticmethod
    def draw(rng: Any, loc: Any, scale: Any) -> Any:
        require_positive(scale, "cauchy", "scale")
        return loc + scale * _tan(math.pi * (rng.random() - 0.5))

    @staticmethod
    def log_density(value: Any, loc: Any, scale: Any) -> Any:
        require_positive(scale, "cauchy", "scale")
        z = (value - loc) / scale
        return -log(math.pi * scale) - log(1.0 + z * z)

    @staticmethod
    def log_density_grad(value: Any, loc: Any, scale: Any) -> Gradient:
        require_positive(scale, "cauchy", "scale")
        z = (value - loc) / scale
        slope = 2.0 * z / (1.0 + z * z) / scale
        return -slope, (slope, slope * z - 1.0 / scale)


def _tan(angle: Any) -> Any:
    if not is_array(angle):
        return math.tan(angle)
    import numpy

    return numpy.tan(angle)
