"""Where a backward leaves what it found for a function's own parameters, which live in stores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paragrad.gen.environment import Read
from paragrad.gen.learning import push_all, version_now
from paragrad.gen.structures import is_real
from paragrad.trace.accumulator import Accumulator
from paragrad.trace.cell import Cell
from paragrad.trace.nodes import Version, extra_of


class Outgoing(Accumulator):
    """Collects derivatives of a loss during a delivery, and is settled by pushing them, negated, to the store."""

    __slots__ = ("id", "read")

    def __init__(self, id: Any, read: Read) -> None:
        super().__init__()
        self.id = id
        self.read = read

    @staticmethod
    def settle(every: Sequence[Outgoing]) -> None:
        """Push all of them, or none.

        Raises:
            ValueError: a derivative is nan or infinite.
            StoreError: a store failed.
        """
        found = [(each.id, each.read, each.total()) for each in every]
        for each in every:
            each.clear()
        push_all([part for part in found if part[2] is not None], -1.0)


class StoredPlace(Cell):
    """One parameter of a function as it was read from its store; what :class:`Cell` is for a ``pg.Parameter``."""

    __slots__ = ("id", "read")

    def __init__(self, id: Any, read: Read) -> None:
        self.id = id
        self.read = read
        self.handle = _nobody  # type: ignore[assignment]  # it is asked as a weak reference is
        self.acc = Outgoing(id, read)

    @property
    def name(self) -> str:
        """Function and name."""
        return f"{self.id[0]!r}.{self.id[1]}"

    @property
    def current(self) -> int:  # type: ignore[override]
        """The store's version now."""
        return version_now(self.read)


def stored(id: Any, read: Any) -> Version | None:
    """The leaf of a parameter in a store; None for one that has no derivative."""
    if not is_real(read.value):
        return None
    place = StoredPlace(id, read)
    leaf = Version(read.value, read.version, place)
    extra_of(leaf).name = place.name
    return leaf


def _nobody() -> None:
    """There is no ``pg.Parameter`` behind it."""
