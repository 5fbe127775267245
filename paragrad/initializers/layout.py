"""Layout: which slice of a value a process keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Layout:
    """One of ``ranks`` slices along one dimension; several Layouts in a list are cut one after another.

    Slices are cut as ``torch.chunk`` and DTensor's ``Shard(dim)`` cut them: all of the size
    ``ceil(n / ranks)`` but the last, which may be smaller or empty.

    Args:
        dim: the dimension, from 0; negative ones count from the last.
        rank: which slice, from 0.
        ranks: how many there are.
    """

    dim: int = 0
    rank: int = 0
    ranks: int = 1

    def __post_init__(self) -> None:
        for name, value in (("dim", self.dim), ("rank", self.rank), ("ranks", self.ranks)):
            if isinstance(value, bool) or not isinstance(value, int):
                raise TypeError(f"Layout: {name} must be an int, got {value!r}")
        if not 0 <= self.rank < self.ranks:
            raise ValueError(f"Layout: rank must be from 0 up to ranks - 1, got rank={self.rank}, ranks={self.ranks}")


def cut(shape: tuple[int, ...], layout: Layout | Sequence[Layout] | None) -> tuple[slice, ...]:
    """The slice of an array of ``shape`` that a layout keeps.

    Raises:
        TypeError: no Layout. ValueError: a dimension that the shape does not have.
    """
    layouts: Sequence[Any] = [] if layout is None else [layout] if isinstance(layout, Layout) else _several(layout)
    spans = [(0, size) for size in shape]
    for one in layouts:
        if not isinstance(one, Layout):
            raise TypeError(f"layout must be a pg.Layout(dim, rank, ranks) or a list of them, got {one!r}")
        if not -len(shape) <= one.dim < len(shape):
            raise ValueError(f"{one} names a dimension that the shape {shape} does not have")
        low, high = spans[one.dim]
        chunk = -(-(high - low) // one.ranks)
        start = min(low + one.rank * chunk, high)
        spans[one.dim] = start, min(start + chunk, high)
    return tuple(slice(low, high) for low, high in spans)


def _several(layout: Any) -> Sequence[Any]:
    if isinstance(layout, Sequence) and not isinstance(layout, str):
        return layout
    raise TypeError(f"layout must be a pg.Layout(dim, rank, ranks) or a list of them, got {layout!r}")
