"""``BatchRandom``: one draw gives one number per sample, so one run of a function is many."""

from __future__ import annotations

from typing import Any


class BatchRandom:
    """The methods of ``random.Random`` that distributions use, each giving an array of ``size`` independent draws.

    Args:
        generator: a ``numpy.random.Generator``.
        size: samples per draw.
    """

    __slots__ = ("generator", "size")

    def __init__(self, generator: Any, size: int) -> None:
        self.generator = generator
        self.size = size

    def random(self) -> Any:
        """Uniform on [0, 1)."""
        return self.generator.random(self.size)

    def gauss(self, mean: Any, std: Any) -> Any:
        """Normal draws."""
        return self.generator.standard_normal(self.size) * std + mean

    def expovariate(self, rate: Any) -> Any:
        """Exponential draws."""
        return self.generator.standard_exponential(self.size) / rate

    def gammavariate(self, shape: Any, scale: Any) -> Any:
        """Gamma draws."""
        return self.generator.gamma(shape, scale, self.size)

    def betavariate(self, alpha: Any, beta: Any) -> Any:
        """Beta draws."""
        return self.generator.beta(alpha, beta, self.size)

    def poisson(self, rate: Any) -> Any:
        """Poisson counts."""
        return self.generator.poisson(rate, self.size)

    def binomial(self, n: Any, p: Any) -> Any:
        """Binomial counts."""
        return self.generator.binomial(n, p, self.size)
