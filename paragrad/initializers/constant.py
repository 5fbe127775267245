"""The same number everywhere."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

from paragrad.initializers.base import Initializer


@dataclass(frozen=True)
class Constant(Initializer):
    """Every element is ``value``.

    Args:
        value: a number that the element type can hold.
    """

    value: float
    draws: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if isinstance(self.value, bool) or not isinstance(self.value, (int, float)):
            raise TypeError(f"Constant takes an int or a float, got {self.value!r}")

    def fill(self, array: Any, generator: Any) -> None:
        """Fill with the value."""
        array.fill(self.value)

    def number(self) -> Any:
        """The value."""
        return self.value

    def refuse(self, shape: tuple[int, ...], dtype: str) -> None:
        """Refuse a type that cannot hold the value."""
        import numpy

        value, whole = self.value, not dtype.startswith("float")
        if whole and isinstance(value, float) and not value.is_integer():
            raise TypeError(f"{dtype} cannot hold {value}; write dtype='float32'")
        if not whole and not math.isfinite(value):
            return
        known = (0, 1) if dtype == "bool" else (numpy.iinfo(dtype).min, numpy.iinfo(dtype).max) if whole else _floats(dtype)
        if not known[0] <= value <= known[1]:
            raise ValueError(f"{dtype} holds {known[0]} to {known[1]}, not {value}")


@dataclass(frozen=True)
class Zero(Constant):
    """Every element is 0."""

    value: float = field(default=0, init=False, repr=False)


@dataclass(frozen=True)
class One(Constant):
    """Every element is 1."""

    value: float = field(default=1, init=False, repr=False)


@dataclass(frozen=True, eq=False)
class Given(Initializer):
    """The elements of an array that exists already.

    Args:
        array: a read-only copy of it.
    """

    array: Any
    draws: ClassVar[bool] = False

    def fill(self, array: Any, generator: Any) -> None:
        """Copy the elements."""
        array[...] = self.array

    def __repr__(self) -> str:
        return f"Given(shape={self.array.shape}, dtype={self.array.dtype})"


def _floats(dtype: str) -> tuple[float, float]:
    import numpy

    largest = float(numpy.finfo(dtype).max)
    return -largest, largest
