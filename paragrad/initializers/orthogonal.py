"""Orthogonal rows or columns (Saxe et al. 2013)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from paragrad.initializers.base import Initializer
from paragrad.initializers.fans import refuse_negative


@dataclass(frozen=True)
class Orthogonal(Initializer):
    """A (semi-)orthogonal matrix times ``gain``; further dimensions are flattened into the columns.

    Args:
        gain: the length of each row (or column, whichever are fewer).
    """

    gain: float = 1.0
    least: ClassVar[int] = 2

    def __post_init__(self) -> None:
        refuse_negative("gain", self.gain)

    def fill(self, array: Any, generator: Any) -> None:
        """Draw a normal matrix and keep its Q, signs fixed so that every orthogonal matrix is equally likely."""
        import numpy

        rows = array.shape[0]
        columns = array.size // rows
        drawn = generator.standard_normal((max(rows, columns), min(rows, columns)))
        q, r = numpy.linalg.qr(drawn)
        q *= numpy.where(numpy.diagonal(r) < 0, -1.0, 1.0)
        array[...] = (self.gain * (q if rows >= columns else q.T)).reshape(array.shape)
