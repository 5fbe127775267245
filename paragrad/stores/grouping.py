"""Group commit: changes that wait at the same time are decided one after another and written together.

A store behind a network pays a round trip, and often a disk write, per commit. Whoever gets the turn
writes for all who wait, so threads share that price. Each change sees what the changes before it in
its group have written; one that is refused writes nothing and leaves the others alone.
"""

from __future__ import annotations

import os
import threading
from abc import abstractmethod
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from paragrad.errors import ParagradError, StoreError
from paragrad.stores.backend import Decide, Moved, Pointer, Row
from paragrad.stores.ids import gradient_key
from paragrad.stores.native import Native
from paragrad.stores.publish import Held

_REFUSALS = (ParagradError, Moved, Held, KeyError, TypeError, ValueError, ArithmeticError)
_GROUP = 256
_RECENT = 4096
_KEPT = ("head", "p/")


class Job:
    """One change that waits for its turn, and what became of it."""

    __slots__ = ("decide", "done", "error", "ids", "keys", "result", "wrote")

    def __init__(self, keys: Sequence[str], ids: Sequence[str], decide: Decide) -> None:
        self.keys, self.ids, self.decide = keys, ids, decide
        self.done = self.wrote = False
        self.result: Any = None
        self.error: BaseException | None = None


class Recent:
    """Documents as this process last wrote them: what a commit may be decided on, if it is checked when it is written.

    A change that is refused, or that writes nothing, is decided again on what the server has.
    """

    def __init__(self) -> None:
        self._known: dict[str, Any] = {}

    def find(self, names: Sequence[str]) -> dict[str, Any] | None:
        """All of ``names``, or None."""
        known = self._known
        return {name: known[name] for name in names} if all(name in known for name in names) else None

    def keep(self, written: Mapping[str, Any]) -> None:
        """Remember what was written; None: it is gone."""
        if len(self._known) + len(written) > _RECENT:
            self._known.clear()
        for name, found in written.items():
            if found is None or not name.startswith(_KEPT):
                self._known.pop(name, None)
            else:
                self._known[name] = found

    def forget(self) -> None:
        """Another process writes too."""
        self._known.clear()


def all_wrote(jobs: Sequence[Job]) -> bool:
    """Whether every job changed something: then the check at the write has checked all that was decided."""
    return all(job.wrote and job.error is None for job in jobs)


@dataclass(slots=True)
class Batch:
    """What a group writes together.

    Attributes:
        documents: key to payload; None: forget it.
        rows: new versions, in order.
        pointers: id to its pointer after the group.
        anew: ids that were made or started anew, whose earlier gradients are void.
    """

    documents: dict[str, bytes | None] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    pointers: dict[str, Pointer] = field(default_factory=dict)
    anew: set[str] = field(default_factory=set)


def decided(jobs: Sequence[Job], documents: Mapping[str, bytes], pointers: Mapping[str, Pointer]) -> Batch:
    """Let every job decide on what was read and on what the jobs before it write."""
    now, known, batch = dict(documents), dict(pointers), Batch()
    for job in jobs:
        job.error, job.wrote = None, False
        try:
            change = job.decide({key: now[key] for key in job.keys if key in now}, {id: known[id] for id in job.ids if id in known})
        except _REFUSALS as error:
            job.error = error
            continue
        for key, payload in change.documents.items():
            batch.documents[key] = payload
            if payload is None:
                now.pop(key, None)
            else:
                now[key] = payload
        for row in change.rows:
            batch.rows.append(row)
            batch.pointers[row.id] = known[row.id] = row.pointer()
            if gradient_key(row.id) in change.documents:
                batch.anew.add(row.id)
        job.result = change.result
        job.wrote = bool(change.documents or change.rows)
    return batch


class Grouped(Native):
    """A KeyValueStore whose changes are written in groups."""

    _jobs: deque[Job]
    _turn: threading.Lock
    _pid: int
    _recent: Recent

    def __new__(cls, *args: Any, **options: Any) -> Any:
        """See ``Backend``."""
        store = super().__new__(cls, *args, **options)
        store._begin()
        return store

    def _begin(self) -> None:
        """Start with nobody waiting; in a forked process the parent's threads do not exist."""
        self._jobs = deque()
        self._turn = threading.Lock()
        self._recent = Recent()
        self._pid = os.getpid()

    @abstractmethod
    def _write_jobs(self, jobs: Sequence[Job]) -> None:
        """Decide and write all of ``jobs`` in one atomic change, however often that takes."""

    def _change(self, keys: Sequence[str], ids: Sequence[str], decide: Decide, durable: bool = True) -> Any:
        if self._pid != os.getpid():
            self._begin()
        job = Job(keys, ids, decide)
        self._jobs.append(job)
        with self._turn:  # whoever gets it writes for all who wait
            while not job.done:
                self._write_group()
        if job.error is not None:
            raise job.error
        return job.result

    def _write_group(self) -> None:
        group = [self._jobs.popleft() for _ in range(min(len(self._jobs), _GROUP))]
        try:
            self._write_jobs(group)
        except StoreError as error:
            _abandon(group, error)
        except BaseException as error:  # an interrupt: those who wait must not wait for ever
            _abandon(group, StoreError(f"{self!r}: the commit was interrupted ({type(error).__name__}); read again what holds"))
            raise
        for job in group:
            job.done = True


def _abandon(group: Sequence[Job], error: BaseException) -> None:
    """Nothing of this group is known to have happened."""
    for job in group:
        job.error, job.done = error, True
