"""Group commit: changes that wait at the same time are decided one after another and written together.

A commit costs a disk write, and behind a network a round trip. Whoever gets the turn
writes for all who wait, so threads share that price. Each change sees what the changes before it in
its group have written; one that is refused writes nothing and leaves the others alone.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from paragrad.errors import ParagradError
from paragrad.stores.backend import Decide, Moved, Pointer, Row
from paragrad.stores.forks import PerProcess
from paragrad.stores.ids import gradient_key, parameter_key
from paragrad.stores.layout import pointer_bytes, pointer_from
from paragrad.stores.native import Native
from paragrad.stores.publish import Held
from paragrad.stores.turns import Turn, Waiter

REFUSALS = (ParagradError, Moved, Held, KeyError, TypeError, ValueError, ArithmeticError)
"""What a decision may raise instead of deciding: that job fails, the others of its group go on."""
_RECENT = 4096
_KEPT = ("head", "p/")


class Job(Waiter):
    """One change that waits for its turn, and what became of it."""

    __slots__ = ("decide", "durable", "ids", "keys", "result", "wrote")

    def __init__(self, keys: Sequence[str], ids: Sequence[str], decide: Decide, durable: bool) -> None:
        super().__init__()
        self.keys, self.ids, self.decide, self.durable = keys, ids, decide, durable
        self.wrote = False
        self.result: Any = None


class Recent:
    """Documents as this process last wrote them: what a commit may be decided on, if it is checked when it is written.

    A change that is refused, or that writes nothing, is decided again on what the server has.
    """

    def __init__(self) -> None:
        self._known: dict[str, Any] = {}
        self._pointers: dict[str, tuple[bytes, Pointer]] = {}

    def find(self, names: Sequence[str]) -> dict[str, Any] | None:
        """All of ``names``, or None."""
        known = self._known
        return {name: known[name] for name in names} if all(name in known for name in names) else None

    def pointers(self, ids: Sequence[str], documents: Mapping[str, bytes]) -> dict[str, Pointer]:
        """The pointers of ``ids`` that are among ``documents``."""
        found = {}
        for id in ids:
            payload = documents.get(parameter_key(id))
            if payload is not None:
                known = self._pointers.get(id)
                found[id] = known[1] if known is not None and known[0] == payload else pointer_from(payload)
        return found

    def keep(self, written: Mapping[str, Any], pointers: Mapping[str, tuple[bytes, Pointer]]) -> None:
        """Remember what was written; None: it is gone."""
        if len(self._known) + len(written) > _RECENT:
            self.forget()
        self._pointers.update(pointers)
        for name, found in written.items():
            if found is None or not name.startswith(_KEPT):
                self._known.pop(name, None)
            else:
                self._known[name] = found

    def forget(self) -> None:
        """Another process writes too."""
        self._known.clear()
        self._pointers.clear()


def all_wrote(jobs: Sequence[Job]) -> bool:
    """Whether every job changed something: then the check at the write has checked all that was decided."""
    return all(job.wrote and job.error is None for job in jobs)


@dataclass(slots=True)
class Batch:
    """What a group writes together.

    Attributes:
        documents: key to payload; None: forget it.
        rows: new versions, in order.
        pointers: id to its pointer after the group, as its document has it and as it is.
        anew: ids that were made or started anew, whose earlier gradients are void.
    """

    documents: dict[str, bytes | None] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    pointers: dict[str, tuple[bytes, Pointer]] = field(default_factory=dict)
    anew: set[str] = field(default_factory=set)


def decided(jobs: Sequence[Job], documents: Mapping[str, bytes], pointers: Mapping[str, Pointer]) -> Batch:
    """Let every job decide on what was read and on what the jobs before it write."""
    now, known, batch = dict(documents), dict(pointers), Batch()
    for job in jobs:
        job.error, job.wrote = None, False
        try:
            change = job.decide({key: now[key] for key in job.keys if key in now}, {id: known[id] for id in job.ids if id in known})
        except REFUSALS as error:
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
            known[row.id] = row.pointer()
            batch.pointers[row.id] = pointer_bytes(known[row.id]), known[row.id]
            if gradient_key(row.id) in change.documents:
                batch.anew.add(row.id)
        job.result = change.result
        job.wrote = bool(change.documents or change.rows)
    return batch


class Grouped(Native):
    """A KeyValueStore whose changes are written in groups."""

    _turn: Turn
    _process: PerProcess

    def __new__(cls, *args: Any, **options: Any) -> Any:
        """See ``Backend``."""
        store = super().__new__(cls, *args, **options)
        store._process = PerProcess()
        store._begin()
        return store

    def _begin(self) -> None:
        """Start with nobody waiting; in a forked process the parent's threads do not exist."""
        self._turn = Turn()

    def _after_fork(self) -> None:
        """Make anew what must not be the parent's."""
        self._begin()

    @abstractmethod
    def _write_jobs(self, jobs: Sequence[Job]) -> None:
        """Decide and write all of ``jobs``, each all or nothing, for the price of one; a refusal becomes its job's ``error``."""

    def _change(self, keys: Sequence[str], ids: Sequence[str], decide: Decide, durable: bool = True) -> Any:
        self._process.renew(self._after_fork)
        job = Job(keys, ids, decide, durable)
        self._turn.join(job, self._write_jobs)
        return job.result
