"""Telling: what tasks have to say to those who watch, said in program order when the block ends.

Hooks, escapes and a teacher's steps are heard in the order of the calls; tasks end in any order. So each
task keeps what it has to say, and the block tells it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from paragrad.trace.escapes import Escape, Reads
from paragrad.trace.state import State


class Kept(Reads):
    """Escapes of one task, for whoever watched when it was made."""

    __slots__ = ("escapes",)

    def __init__(self) -> None:
        super().__init__()
        self.escapes: list[Escape] = []

    def tell(self, escape: Escape) -> None:
        """Keep it."""
        self.escapes.append(escape)


class Aside:
    """What one task has to say, and to whom."""

    __slots__ = ("reads", "records", "state", "steps")

    def __init__(self, state: State) -> None:
        self.state = state
        self.records: list[Any] = []
        self.steps: list[Any] = []
        self.reads = Kept() if state.reads is not None else None

    def tell(self) -> None:
        """Say it."""
        for record in self.records:
            for hook in self.state.hooks:
                hook(record)
        if self.state.steps is not None:
            self.state.steps.extend(self.steps)
        if self.state.reads is not None and self.reads is not None:
            for escape in self.reads.escapes:
                self.state.reads.tell(escape)


class Telling:
    """What is to be told when a block ends."""

    def __init__(self) -> None:
        self._log: list[Aside | Any] = []
        self._hooks: tuple[Callable[[Any], None], ...] = ()
        self._told = False
        self._last: tuple[State | None, State | None] = (None, None)

    def block(self, state: State) -> dict[str, Any]:
        """How the block's own state differs, so that its own records are told in order too."""
        self._hooks = state.hooks
        return {"hooks": (self._record,)} if state.hooks else {}

    def state_of(self, state: State, light: bool) -> State:
        """The state in which a task made in ``state`` runs."""
        if not state.hooks and (light or (state.reads is None and state.steps is None)):
            if self._last[0] is not state:
                self._last = (state, state.but(parallel=None, reads=None))
            found = self._last[1]
            assert found is not None
            return found
        aside = Aside(state)
        self._log.append(aside)
        hooks = (aside.records.append,) if state.hooks else ()
        steps = aside.steps if state.steps is not None else None
        return state.but(parallel=None, reads=aside.reads, hooks=hooks, steps=steps)

    def tell(self) -> None:
        """Say everything, in program order."""
        self._told = True
        log, self._log = self._log, []
        for entry in log:
            if isinstance(entry, Aside):
                entry.tell()
            else:
                self._record(entry)

    def _record(self, variable: Any) -> None:
        """A record of the block itself."""
        if not self._told:
            self._log.append(variable)
            return
        for hook in self._hooks:
            hook(variable)
