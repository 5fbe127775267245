"""Private Parameters in a flat group: their values in one array, their gradients in another.

A Parameter that was bound reads its value from the group when somebody asks, and its numeric gradients
are added where the step finds them. A step therefore touches no Parameter at all, and still makes every
trace that read an older value stale. A Parameter that is written by itself is taken over at the next
look; one that got another shape or type leaves the group.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from paragrad.errors import Conflict, LostContext
from paragrad.protocols.store import Entry
from paragrad.stores.accumulate import Accumulator as Sum
from paragrad.stores.flat import Flat, held_versions
from paragrad.stores.flat_live import FlatLive
from paragrad.trace.accumulator import Accumulator
from paragrad.trace.cell import Cell

KEPT = 16
"""Earlier values that contexts pinned before may still read; of large groups fewer, down to two."""


class ParameterGroup(Flat):
    """A flat group of private Parameters.

    Attributes:
        now: (change, steps, writes per member, buffer, time), swapped as one. A member's version is its first one
            plus ``steps`` (of all members) plus its own writes and the steps of some members that it took part in.
        past: earlier ones, oldest first.
        loose: members that were written by themselves and not yet taken over, and how often.
        strays: accumulators that hold contributions in another form. ``open``: whether all are still members.
    """

    __slots__ = ("cells", "loose", "now", "open", "past", "strays")

    def __init__(self, parameters: Sequence[Any]) -> None:
        specs = [p.space.spec() for p in parameters]
        super().__init__(
            [p.id for p in parameters], [p._live().value for p in parameters], [(spec.get("low"), spec.get("high")) for spec in specs]
        )
        self.now: tuple[int, int, list[int], Any, float] = (0, 0, [p._live().version for p in parameters], self.buffer, time.time())
        self.past: deque[tuple[int, int, list[int], Any, float]] = deque(maxlen=held_versions(KEPT, self.buffer.nbytes))
        self.loose: dict[int, int] = {}
        self.strays: list[Any] = []
        self.open = True
        self.cells = [FlatCell(self, place, p) for place, p in enumerate(parameters)]

    def move(self, buffer: Any, *, steps: int = 0, written: Mapping[int, int] | None = None) -> None:
        """Take new values; the locks are held by the caller.

        Args:
            written: how often members were written by themselves.
        """
        change, before, own, _, _ = self.now
        if written:
            own = list(own)
            for place, times in written.items():
                own[place] += times
        self.past.append(self.now)
        self.buffer = buffer
        self.now = (change + 1, before + steps, own, buffer, time.time())

    def take(self, buffer: Any) -> None:
        """Take the result of a step; members that got no gradient keep their versions. The locks are held by the caller."""
        if self.touched == self.count:
            self.move(buffer, steps=1)
        else:
            self.move(buffer, written={cell.place: 1 for cell in self.cells if cell.live.pushes})

    def absorb(self) -> None:
        """Take over what was written to members by themselves."""
        if not self.loose:
            return
        with self.holding():
            found = {place: cell.parameter() for place, cell in enumerate(self.cells) if place in self.loose}
            leaves = {place: p._leaf for place, p in found.items() if p is not None and p._leaf is not None}
            if not all(self.fits(place, leaf.value) for place, leaf in leaves.items()):
                self.release()
            elif leaves:
                self.move(self.replaced({at: leaf.value for at, leaf in leaves.items()}), written={at: self.loose.pop(at) for at in leaves})
                for place in leaves:
                    found[place]._leaf = None

    def release(self) -> None:
        """Let all members go, with their values, versions and gradients."""
        with self.holding():
            for cell in self.cells if self.open else ():
                parameter = cell.parameter()
                if parameter is not None and parameter._bound is cell:
                    _released(parameter, cell)
            self.open = False

    def fits(self, place: int, value: Any) -> bool:
        if self.shapes[place] is None:
            return isinstance(value, float | int)
        return getattr(value, "shape", None) == self.shapes[place] and value.dtype == self.buffer.dtype

    def mask(self) -> Any:
        """Which elements got a gradient since the last ``clear``; None: all of them."""
        import numpy

        if self.touched == len(self.cells):
            return None
        return numpy.repeat([cell.live.pushes > 0 for cell in self.cells], self.sizes)

    def gathered(self) -> bool:
        """Take in what was written or collected in another form; whether all are still members."""
        if self.loose:
            self.absorb()
        while self.strays:
            self.strays.pop().hand_over()
        return self.open

    def next(self, rule: Any, state: Any) -> Any:
        """The values and the state after one step of the members that got a gradient; None where none did. Nothing is changed.

        Raises:
            ValueError: a gradient is nan or infinite.
        """
        if not self.touched:
            return None
        return self.stepped(rule, state, None if self.touched == len(self.cells) else self.mask())


class FlatCell:
    """One member, as a Parameter reads and writes it."""

    __slots__ = ("group", "live", "parameter", "place")

    def __init__(self, group: ParameterGroup, place: int, parameter: Any) -> None:
        self.group = group
        self.place = place
        self.parameter = parameter._cell.handle
        shape = group.shapes[place]
        self.live = FlatLive(group, place, Sum(shape, str(group.buffer.dtype)), set())

    @property
    def accumulator(self) -> Any:
        """What the Parameter collected."""
        parameter = self.parameter()
        return parameter._cell.acc if parameter is not None else Accumulator()

    @property
    def key(self) -> str:
        """The group's name in pinned contexts."""
        return f"flat:{id(self.group):x}"

    def commit(self) -> int:
        """The number of the latest change in the group."""
        self.group.absorb()
        return self.group.now[0]

    def version(self) -> int:
        """The Parameter's version now."""
        _, steps, own, _, _ = self.group.now
        return steps + own[self.place] + self.group.loose.get(self.place, 0)

    def current(self) -> tuple[Any, int]:
        """Value and version now."""
        group, place = self.group, self.place
        _, steps, own, buffer, _ = group.now
        start = group.starts[place]
        shape = group.shapes[place]
        value = buffer.item(start) if shape is None else buffer[start : group.starts[place + 1]].reshape(shape)
        return value, steps + own[place]

    def at(self, commit: int) -> tuple[Any, int]:
        """Value and version as of a change.

        Raises:
            LostContext: that change is no longer held.
        """
        for change, steps, own, buffer, _ in [self.group.now, *reversed(self.group.past)]:
            if change <= commit:
                return self.group.leaf(self.place, buffer), steps + own[self.place]
        raise LostContext(
            f"a context was pinned more than {self.group.past.maxlen} steps ago and reads {self.group.ids[self.place]} now; "
            "read it at the start"
        )

    first = current

    def write(self, value: Any, expect: int | None = None) -> int:
        """Write a new value; returns its version."""
        self.publish([(self, value, self.version() if expect is None else expect)])
        return self.version()

    def history(self) -> Sequence[Entry]:
        """The versions that are held, oldest first; none of tensors."""
        parameter = self.parameter()
        if parameter is None or self.group.shapes[self.place] is not None:
            return []
        self.group.absorb()
        found = {entry.version: entry for entry in parameter._meta.history}
        for _, steps, own, buffer, when in [*self.group.past, self.group.now]:
            version = steps + own[self.place]
            found.setdefault(version, Entry(version, self.group.leaf(self.place, buffer), when))
        return [found[version] for version in sorted(found)]

    def publish(self, changes: Sequence[tuple[Any, Any, int]]) -> None:
        """Write several cells: those of stores first, in one commit each, then those of groups, which cannot fail any more.

        Raises:
            Conflict: a cell is no longer at its base version; nothing was written.
        """
        flat = [change for change in changes if isinstance(change[0], FlatCell)]
        stored = [change for change in changes if not isinstance(change[0], FlatCell)]
        publish_flat(flat, (lambda: stored[0][0].publish(stored)) if stored else None)


def publish_flat(changes: Sequence[tuple[FlatCell, Any, int]], before: Callable[[], None] | None = None) -> None:
    """Write members of groups, after ``before`` went well.

    Raises:
        Conflict: a member is no longer at its base version; nothing was written.
    """
    groups: dict[int, tuple[ParameterGroup, dict[int, Any]]] = {}
    for cell, value, base in changes:
        cell.group.absorb()
        if cell.version() != base:
            raise Conflict(
                f"{cell.group.ids[cell.place]} is at version {cell.version()}, not {base}: someone wrote it; read again and retry"
            )
        groups.setdefault(id(cell.group), (cell.group, {}))[1][cell.place] = value
    if before is not None:
        before()
    for group, values in groups.values():
        with group.holding():
            if group.open and all(group.fits(place, value) for place, value in values.items()):
                group.move(group.replaced(values), written=dict.fromkeys(values, 1))
                continue
        group.release()
        for place, value in values.items():
            parameter = group.cells[place].parameter()
            if parameter is not None:
                parameter._set_live(value)


def _released(parameter: Any, cell: FlatCell) -> None:
    """Make a member private again."""
    value, version = cell.current()
    version = cell.version()
    mine, kept = parameter._cell.acc, Accumulator()
    total = mine.total()
    if total is not None:
        kept.add_number(total)
    kept.texts, kept.scores, kept.episodes, kept.graphs = mine.texts, mine.scores, mine.episodes, mine.graphs
    parameter._bound = None
    parameter._cell.__class__ = Cell
    parameter._cell.acc, parameter._cell.current = kept, version
    if parameter._leaf is None:
        parameter._leaf = parameter._version(value, version)
