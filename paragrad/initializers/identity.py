"""Weights that pass their input through: the identity matrix and its form for convolutions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from paragrad.initializers.base import Initializer


@dataclass(frozen=True)
class Identity(Initializer):
    """Ones on the diagonal of a matrix, zeros elsewhere."""

    draws: ClassVar[bool] = False
    least: ClassVar[int] = 2
    most: ClassVar[int | None] = 2

    def fill(self, array: Any, generator: Any) -> None:
        """Fill."""
        array.fill(0)
        _diagonal(array)


@dataclass(frozen=True)
class Dirac(Initializer):
    """A convolution's weight that passes as many channels through as it can; 3 to 5 dimensions.

    Args:
        groups: groups of output channels, each of which passes the same inputs on.
    """

    groups: int = 1
    draws: ClassVar[bool] = False
    least: ClassVar[int] = 3
    most: ClassVar[int | None] = 5

    def __post_init__(self) -> None:
        if isinstance(self.groups, bool) or not isinstance(self.groups, int) or self.groups < 1:
            raise ValueError(f"groups must be an int from 1 up, got {self.groups!r}")

    def refuse(self, shape: tuple[int, ...], dtype: str) -> None:
        """Refuse output channels that the groups do not divide."""
        super().refuse(shape, dtype)
        if shape[0] % self.groups:
            raise ValueError(f"{shape[0]} output channels cannot be divided into {self.groups} groups")

    def fill(self, array: Any, generator: Any) -> None:
        """Fill."""
        array.fill(0)
        centre = tuple(size // 2 for size in array.shape[2:])
        channels = array.shape[0] // self.groups
        for group in range(self.groups):
            _diagonal(array[(slice(group * channels, (group + 1) * channels), slice(None), *centre)])


def _diagonal(matrix: Any) -> None:
    import numpy

    index = numpy.arange(min(matrix.shape))
    matrix[index, index] = 1
