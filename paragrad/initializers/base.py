"""Initializer: how an array is filled, without its shape, type or seed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar


class Initializer(ABC):
    """A rule that fills an array. A subclass writes ``fill``; make it a frozen dataclass, and it is hashable and prints itself.

    Attributes:
        draws: whether ``fill`` uses the generator; then the array must be of a float type.
        least: the fewest dimensions an array may have.
        most: the most dimensions, or None.
    """

    draws: ClassVar[bool] = True
    least: ClassVar[int] = 0
    most: ClassVar[int | None] = None

    @abstractmethod
    def fill(self, array: Any, generator: Any) -> None:
        """Fill ``array`` (numpy, C-contiguous) in place.

        Args:
            array: the array; its values before are arbitrary.
            generator: a ``numpy.random.Generator`` of this parameter alone.
        """

    def number(self) -> Any:
        """The one number that every element gets, so that a shard is made without the rest; None when they differ."""
        return None

    def refuse(self, shape: tuple[int, ...], dtype: str) -> None:
        """Say whether this rule cannot fill such an array; called before anything is allocated.

        Raises:
            ValueError, TypeError: it cannot.
        """
        words = type(self).__name__
        if len(shape) < self.least or (self.most is not None and len(shape) > self.most):
            known = (
                f"{self.least}" if self.most == self.least else f"{self.least} to {self.most}" if self.most else f"at least {self.least}"
            )
            raise ValueError(f"{words} needs {known} dimensions, the shape is {shape}")
        if self.draws and not dtype.startswith("float"):
            raise TypeError(f"{words} draws fractions, which {dtype} cannot hold; write dtype='float32'")
