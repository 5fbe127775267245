"""Uniform draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from paragrad.initializers import drawing
from paragrad.initializers.base import Initializer
from paragrad.initializers.fans import refuse_negative


@dataclass(frozen=True)
class Uniform(Initializer):
    """Uniform draws from ``-scale`` to ``scale``.

    Args:
        scale: the bound.
    """

    scale: float = 0.07

    def __post_init__(self) -> None:
        refuse_negative("scale", self.scale)

    def fill(self, array: Any, generator: Any) -> None:
        """Draw."""
        drawing.uniform(array, generator, -self.scale, self.scale)
