"""Cells: the identity of a Parameter's value in one context, and what was collected for it there."""

from __future__ import annotations

from typing import Any
from weakref import ref

from paragrad.trace.accumulator import Accumulating, Accumulator


class Cell(Accumulating):
    """One place where a Parameter's value lives: private, in a store, or in an overlay.

    A cell does not hold the value: the Parameter (or the overlay) holds the current
    :class:`~paragrad.trace.nodes.Version`, and a Version points here. So a graph that was read from
    a cell keeps no cycle alive, and a version is stale exactly when ``current`` has moved on.

    Attributes:
        current: the version now valid.
        acc: gradients, scores and episodes collected for this cell; made when it is first asked for.
        handle: weak reference to the Parameter.
    """

    __slots__ = ("__weakref__", "acc", "current", "handle")
    acc: Accumulator

    def __init__(self, handle: Any, current: int = 0) -> None:
        self.current = current
        self.handle = handle if isinstance(handle, ref) else ref(handle)
