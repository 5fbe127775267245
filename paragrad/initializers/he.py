"""He: the variance stays the same through rectifiers, in one direction (He et al. 2015)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from paragrad.initializers import drawing
from paragrad.initializers.base import Initializer
from paragrad.initializers.fans import GAINS, MODES, fans, gain, refuse_negative, refuse_unknown


@dataclass(frozen=True)
class He(Initializer):
    """What both forms share: the standard deviation ``gain / sqrt(fan)``.

    Args:
        negative_slope: of the leaky rectifier; 0 for the plain one.
        mode: "fan_in" keeps the variance forwards, "fan_out" backwards.
        nonlinearity: "leaky_relu", "relu", "linear", "conv", "sigmoid", "tanh" or "selu".
    """

    negative_slope: float = 0.0
    mode: str = "fan_in"
    nonlinearity: str = "leaky_relu"
    least: ClassVar[int] = 2

    def __post_init__(self) -> None:
        refuse_negative("negative_slope", self.negative_slope)
        refuse_unknown("mode", self.mode, MODES)
        refuse_unknown("nonlinearity", self.nonlinearity, ("leaky_relu", *sorted(GAINS)))

    def deviation(self, shape: tuple[int, ...]) -> float:
        """The standard deviation for a weight of this shape."""
        fan = fans(shape)[MODES.index(self.mode)]
        return gain(self.nonlinearity, self.negative_slope) / math.sqrt(fan)


@dataclass(frozen=True)
class HeUniform(He):
    """Uniform draws up to ``gain * sqrt(3 / fan)``; arguments as :class:`HeNormal`."""

    def fill(self, array: Any, generator: Any) -> None:
        """Draw."""
        bound = math.sqrt(3) * self.deviation(array.shape)
        drawing.uniform(array, generator, -bound, bound)


@dataclass(frozen=True)
class HeNormal(He):
    """Normal draws of standard deviation ``gain / sqrt(fan)``.

    Args:
        negative_slope: of the leaky rectifier; 0 for the plain one.
        mode: "fan_in" keeps the variance forwards, "fan_out" backwards.
        nonlinearity: "leaky_relu", "relu", "linear", "conv", "sigmoid", "tanh" or "selu".
    """

    def fill(self, array: Any, generator: Any) -> None:
        """Draw."""
        drawing.normal(array, generator, self.deviation(array.shape))
