"""What a Parameter in a flat group collects, and its version without visiting it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

from paragrad.stores.flat_cells import FlatCell
from paragrad.trace.accumulator import Accumulator
from paragrad.trace.cell import Cell
from paragrad.trace.spread import plus


class FlatVersionCell(Cell):
    """A Parameter's cell whose version is that of its group, so that a step need not visit it."""

    __slots__ = ()

    @property
    def current(self) -> int:
        """The version now valid."""
        return int(self.acc.cell.version())  # type: ignore[attr-defined]

    @current.setter
    def current(self, version: int) -> None:
        """The Parameter is being written by itself."""
        cell: FlatCell = self.acc.cell  # type: ignore[attr-defined]
        behind = version - cell.version()
        if behind > 0:
            with cell.group.lock:
                cell.group.loose[cell.place] = cell.group.loose.get(cell.place, 0) + behind


class FlatAccumulator(Accumulator):
    """What a bound Parameter collects: floats and arrays go to the group, everything else stays here."""

    __slots__ = ("cell",)

    def __init__(self, cell: FlatCell) -> None:
        super().__init__()
        self.cell = cell

    def add_number(self, gradient: Any, item: int | str | None = None) -> None:
        """Add one numeric contribution."""
        live = self.cell.live
        shape = live.template.shape
        fits = (
            isinstance(gradient, float | int)
            if shape is None
            else getattr(gradient, "shape", None) == shape and not hasattr(gradient, "_n")
        )
        if not fits:
            super().add_number(gradient, item)
            self.cell.group.strays.append(self)
            return
        with live.lock:
            live.add(gradient)

    def add_floats(self, gradients: Sequence[float]) -> None:
        """Add many numeric contributions at once."""
        live = self.cell.live
        if live.view is not None:
            super().add_floats(gradients)
            self.cell.group.strays.append(self)
            return
        with live.lock:
            for gradient in gradients:
                live.add(gradient)

    def total(self) -> Any:
        """The sum of the numeric contributions, or None."""
        rest = super().total()
        live = self.cell.live
        with live.held():
            here = live.snapshot().terms
        found = [*here, *([] if rest is None else [rest])]
        return reduce(plus, found) if found else None

    def hand_over(self) -> None:
        """Move contributions that came in another form (lists, Variables) to the group."""
        rest = super().total()
        if rest is not None:
            import numpy

            value = numpy.asarray(getattr(rest, "value", rest), dtype=self.cell.group.buffer.dtype)
            self.numbers, self.parts, self.folded = [], [], 0
            live = self.cell.live
            with live.lock:
                live.add(float(value) if live.view is None else value)

    def number_count(self) -> int:
        """How many numeric contributions were added."""
        return self.cell.live.pushes + super().number_count()

    def clear_gradients(self) -> None:
        """Forget gradients; scores and episodes stay."""
        super().clear_gradients()
        live = self.cell.live
        if live.pushes:
            with live.held():
                live.load(live.template)

    def empty(self) -> bool:
        """Whether no gradient came."""
        return not self.cell.live.pushes and super().empty()
