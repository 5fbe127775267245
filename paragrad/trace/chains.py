"""Chains: what a call must come after, so that every resource sees the program's own order.

Per resource the last writer and the readers since are kept, which gives the edges read after write,
write after read and write after write; an IO channel is a resource that is always written. A call
that declares nothing may do anything, so it is ordered with every call that has, or may have, effects.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from paragrad.trace.resources import Effects

if TYPE_CHECKING:
    from paragrad.trace.tasks import Task

ANYTHING = ("anything",)
"""The resource that undeclared calls write, and declared ones read."""


class Chains:
    """The last tasks on each resource; told of calls in program order."""

    __slots__ = ("readers", "writer")

    def __init__(self) -> None:
        self.writer: dict[Any, Task] = {}
        self.readers: dict[Any, list[Task]] = {}

    def add(self, task: Task, effects: Effects | None, parameters: Iterable[Any] = ()) -> dict[Task, None]:
        """What ``task`` must come after, in program order.

        Args:
            effects: what it declares. ``parameters``: Parameters that it reads by what it is.
        """
        before: dict[Task, None] = {}
        if effects is None:
            self._write(ANYTHING, task, before)
        elif effects:
            self._read(ANYTHING, task, before)
            written = [effect for effect in effects if effect.kind != "read"]
            keys = {_key(effect) for effect in written}
            for effect in effects:
                if effect.kind == "read" and _key(effect) not in keys:
                    self._read(_key(effect), task, before)
            for effect in written:
                self._write(_key(effect), task, before)
        for parameter in parameters:
            self._read(parameter, task, before)
        return before

    def _read(self, key: Any, task: Task, before: dict[Task, None]) -> None:
        writer = self.writer.get(key)
        if writer is not None and not writer.done:
            before[writer] = None
        readers = self.readers.setdefault(key, [])
        count = len(readers)
        if count >= 16 and count & (count - 1) == 0:  # now and then, so that a call costs the same after many
            readers[:] = [reader for reader in readers if not reader.done]
        readers.append(task)

    def _write(self, key: Any, task: Task, before: dict[Task, None]) -> None:
        writer = self.writer.get(key)
        for other in (*([writer] if writer is not None else []), *self.readers.pop(key, ())):
            if not other.done:
                before[other] = None
        self.writer[key] = task


def _key(effect: Any) -> Any:
    return (effect.kind, effect.resource) if effect.kind == "io" else effect.resource
