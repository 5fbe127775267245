"""Variance scaling: the family of which Xavier, He and LeCun are members."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from paragrad.initializers import drawing
from paragrad.initializers.base import Initializer
from paragrad.initializers.fans import fans, refuse_negative, refuse_unknown

DISTRIBUTIONS = ("truncated_normal", "normal", "uniform")
CUT_DEVIATION = 0.87962566103423978
"""Standard deviation of a unit normal cut at -2 and 2."""


@dataclass(frozen=True)
class VarianceScaling(Initializer):
    """Draws of variance ``scale / n``.

    Args:
        scale: the factor.
        mode: n is "fan_in", "fan_out" or "fan_avg", their mean.
        distribution: "truncated_normal" (cut at two standard deviations, its variance corrected), "normal" or "uniform".
    """

    scale: float = 1.0
    mode: str = "fan_in"
    distribution: str = "truncated_normal"
    least: ClassVar[int] = 2

    def __post_init__(self) -> None:
        refuse_negative("scale", self.scale)
        if not self.scale:
            raise ValueError("scale must be above 0; for zeros write initializer('zeros', ...)")
        refuse_unknown("mode", self.mode, ("fan_in", "fan_out", "fan_avg"))
        refuse_unknown("distribution", self.distribution, DISTRIBUTIONS)

    def fill(self, array: Any, generator: Any) -> None:
        """Draw."""
        into, out = fans(array.shape)
        n = {"fan_in": into, "fan_out": out, "fan_avg": (into + out) / 2}[self.mode]
        std = math.sqrt(self.scale / n)
        if self.distribution == "normal":
            drawing.normal(array, generator, std)
        elif self.distribution == "uniform":
            drawing.uniform(array, generator, -math.sqrt(3) * std, math.sqrt(3) * std)
        else:
            wide = std / CUT_DEVIATION
            drawing.truncated(array, generator, wide, 0.0, -2 * wide, 2 * wide)
