"""Normal draws, whole and truncated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from paragrad.initializers import drawing
from paragrad.initializers.base import Initializer
from paragrad.initializers.fans import refuse_negative


@dataclass(frozen=True)
class Normal(Initializer):
    """Normal draws.

    Args:
        sigma: standard deviation.
        mean: mean.
    """

    sigma: float = 0.01
    mean: float = 0.0

    def __post_init__(self) -> None:
        refuse_negative("sigma", self.sigma)

    def fill(self, array: Any, generator: Any) -> None:
        """Draw."""
        drawing.normal(array, generator, self.sigma, self.mean)


@dataclass(frozen=True)
class TruncatedNormal(Initializer):
    """Normal draws between two values, redrawn while they lie outside.

    Args:
        sigma: standard deviation before the cut.
        mean: mean before the cut.
        a: smallest value (a value, not a number of standard deviations).
        b: largest value.
    """

    sigma: float = 0.01
    mean: float = 0.0
    a: float = -2.0
    b: float = 2.0

    def __post_init__(self) -> None:
        refuse_negative("sigma", self.sigma)
        if not self.sigma or not self.a < self.b:
            raise ValueError(f"TruncatedNormal needs sigma above 0 and a below b, got sigma={self.sigma}, a={self.a}, b={self.b}")

    def fill(self, array: Any, generator: Any) -> None:
        """Draw."""
        drawing.truncated(array, generator, self.sigma, self.mean, self.a, self.b)
