"""Few connections per unit (Martens 2010)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from paragrad.initializers import drawing
from paragrad.initializers.base import Initializer
from paragrad.initializers.fans import refuse_negative


@dataclass(frozen=True)
class Sparse(Initializer):
    """Normal draws of which a part of each column is zero; a matrix only.

    Args:
        sparsity: the part of each column that is zero, rounded up to whole elements.
        sigma: standard deviation of the others.
    """

    sparsity: float
    sigma: float = 0.01
    least: ClassVar[int] = 2
    most: ClassVar[int | None] = 2

    def __post_init__(self) -> None:
        refuse_negative("sigma", self.sigma)
        refuse_negative("sparsity", self.sparsity)
        if self.sparsity > 1:
            raise ValueError(f"sparsity is a part of 1, got {self.sparsity}")

    def fill(self, array: Any, generator: Any) -> None:
        """Draw, then clear."""
        import numpy

        drawing.normal(array, generator, self.sigma)
        rows, columns = array.shape
        cleared = math.ceil(self.sparsity * rows)
        chosen = generator.permuted(numpy.broadcast_to(numpy.arange(rows)[:, None], (rows, columns)), axis=0)[:cleared]
        numpy.put_along_axis(array, chosen, 0, axis=0)
