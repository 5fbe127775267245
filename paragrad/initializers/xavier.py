"""Xavier: the variance stays the same forwards and backwards (Glorot and Bengio 2010)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from paragrad.initializers import drawing
from paragrad.initializers.base import Initializer
from paragrad.initializers.fans import fans, refuse_negative


@dataclass(frozen=True)
class XavierUniform(Initializer):
    """Uniform draws up to ``gain * sqrt(6 / (fan_in + fan_out))``.

    Args:
        gain: factor for the nonlinearity that follows.
    """

    gain: float = 1.0
    least: ClassVar[int] = 2

    def __post_init__(self) -> None:
        refuse_negative("gain", self.gain)

    def fill(self, array: Any, generator: Any) -> None:
        """Draw."""
        bound = self.gain * math.sqrt(6 / sum(fans(array.shape)))
        drawing.uniform(array, generator, -bound, bound)


@dataclass(frozen=True)
class XavierNormal(Initializer):
    """Normal draws of standard deviation ``gain * sqrt(2 / (fan_in + fan_out))``.

    Args:
        gain: factor for the nonlinearity that follows.
    """

    gain: float = 1.0
    least: ClassVar[int] = 2

    def __post_init__(self) -> None:
        refuse_negative("gain", self.gain)

    def fill(self, array: Any, generator: Any) -> None:
        """Draw."""
        drawing.normal(array, generator, self.gain * math.sqrt(2 / sum(fans(array.shape))))
