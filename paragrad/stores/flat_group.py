"""A flat group of a memory store, the short history that steps leave, and what an optimizer over groups remembers."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from time import time as now
from typing import Any

from paragrad.stores.flat import Flat, held_versions

KEPT = 32
"""Steps whose values stay readable; of large groups fewer, down to two."""


class Group(Flat):
    """A flat group of a store.

    Attributes:
        last: version, time and buffer of the last step, swapped as one, as readers take no lock; None before the first.
            (``buffer`` may hold single writes that came later.) ``past``: earlier ones, oldest first.
        dropped: the first and the last version that are no longer held; (0, 0): none.
        written: members that were written one by one since the last step.
    """

    __slots__ = ("dropped", "kept", "last", "past", "written")

    def __init__(self, ids: Sequence[str], values: Sequence[Any], bounds: Sequence[tuple[Any, Any]]) -> None:
        super().__init__(ids, values, bounds)
        self.last: tuple[int, float, Any] | None = None
        self.dropped = (0, 0)
        self.past: deque[tuple[int, float, Any]] = deque()
        self.kept = held_versions(KEPT, self.buffer.nbytes)
        self.written: set[str] = set()

    def commit(self, version: int, buffer: Any) -> None:
        """Take the result of a step, which used the sums up; the locks are held by the caller."""
        if self.last is not None:
            past = self.past
            past.append(self.last)
            if len(past) >= self.kept:
                gone = past[0][0]
                self.dropped = (self.dropped[0] or gone, gone)
                past.popleft()
        self.buffer = buffer
        self.last = (version, now(), buffer)
        self.clear()

    def steps(self) -> list[tuple[int, float, Any]]:
        """Version, time and buffer of the steps that are held, oldest first."""
        last = self.last  # before the others: what a step moves there meanwhile is then seen twice, never missed
        if last is None:
            return []
        return [*(step for step in self.past.copy() if step[0] < last[0]), last]

    @property
    def version(self) -> int:
        """The commit of the last step; 0 before the first."""
        return self.last[0] if self.last is not None else 0


class Plan:
    """An optimizer over groups: its states, live. ``states`` None: read them from the document first.

    Attributes:
        alone: the only group, where it has one lock; else None.
    """

    __slots__ = ("alone", "groups", "states")

    def __init__(self, groups: list[Group]) -> None:
        self.groups = groups
        self.alone = groups[0] if len(groups) == 1 and groups[0].shared else None
        self.states: list[Any] | None = None
