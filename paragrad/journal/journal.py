"""RunJournal: every effect of a run, answered from the record when the run is resumed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from paragrad.context import Coordinate
from paragrad.errors import Diverged, JournalError
from paragrad.journal import database
from paragrad.journal.crashpoints import crash_point
from paragrad.journal.records import COLUMNS, Event, Row, decode_row, encode, parse_coordinate, row, shorten
from paragrad.journal.turns import Turns
from paragrad.journal.writer import GroupCommit
from paragrad.seen import Seen

Description = Mapping[str, Any] | Callable[[], Mapping[str, Any]] | None

BUSY = 8
"""Effects under way from which on a group is worth waiting for."""

_PAGE = 500
_CHECKPOINT = "checkpoint"


class RunJournal:
    """The journal of one run in one SQLite file; implements ``paragrad.protocols.journal.Journal``.

    Effects of distinct coordinates run concurrently; those of one coordinate run one after the other.
    The outcome an effect returns is the recorded JSON, fresh or replayed, so both are equal.

    Args:
        path: the file; made, with row 0, when ``header`` is given and it is not there.
        header: what the run depends on, part to digest (program source, data, configuration, package
            version). None opens an existing journal without comparing.
        read_only: refuse to write; safe beside a running process.

    Raises:
        Diverged: the journal was begun with another header; the message names the parts.
        JournalError: the file is missing, foreign, damaged or not writable; nothing was changed.
    """

    def __init__(self, path: str | Path, header: Mapping[str, str] | None = None, *, read_only: bool = False) -> None:
        self.path = Path(path)
        self._lock = Lock()
        self._turns = Turns()
        self._seen = Seen()  # coordinates that may have rows: a fresh effect needs no query
        database.refuse_foreign(self.path)
        if (read_only or header is None) and not self.path.exists():
            raise JournalError(f"there is no run journal at {self.path}")
        with database.translated(self.path, "opening the run journal"):
            self._reader: sqlite3.Connection | None = database.connect(self.path, read_only=read_only)
        self._writer = None if read_only else GroupCommit(self.path)
        try:
            with database.translated(self.path, "opening the run journal"):
                self._open(header)
        except BaseException:
            self.close()
            raise

    @property
    def header(self) -> Mapping[str, str]:
        """Row 0: part to digest."""
        first = self._rows("seq = 0", ())
        if not first:
            raise JournalError(f"{self.path}: row 0 is missing; the file was damaged, restore it or start a new run")
        found: Mapping[str, str] = first[0].payload
        return found

    def effect(
        self,
        at: Coordinate,
        kind: str,
        digest: str,
        perform: Callable[[], Mapping[str, Any]],
        *,
        describe: Description = None,
        paid: bool = True,
    ) -> tuple[Mapping[str, Any], bool]:
        """The outcome of the effect at ``at``, and whether it was replayed; see the protocol.

        Args:
            describe: a small JSON-like description of the request (or a function that makes one), kept
                with the intent so that a later ``Diverged`` can show what differed.
            paid: False for what may be repeated at no cost: one row, not waited for, yet before every later one.

        Raises:
            Diverged: an effect of another kind or digest is recorded at ``at``.
            JournalError: the intent or the outcome could not be made durable.
            UsageError: the answer of ``perform`` is not JSON-like.
        """
        where = str(at)
        self._turns.take(where)
        try:
            outcome = self._answered(where, kind, digest, describe) if where in self._seen else None
            if outcome is not None:
                return outcome.payload, True
            self._seen.add(where)
            if paid:
                crash_point("before-intent")
                self._append(row(where, kind, "intent", digest, encode(_described(describe), f"the description of {kind} at {where}")))
                crash_point("after-intent")
            text = self._perform(where, kind, digest, perform)
            crash_point("before-outcome")
            self._append(row(where, kind, "outcome", digest, text), wait=paid)
            crash_point("after-outcome")
            payload: Mapping[str, Any] = json.loads(text)
            return payload, False
        finally:
            self._turns.leave(where)

    def note(self, at: Coordinate, kind: str, payload: Any) -> None:
        """Record a decision, durably. Made again with the same payload (on resume) it changes nothing.

        Raises:
            Diverged: another payload is recorded for this kind at ``at``.
        """
        self.notes([(at, kind, payload)])

    def notes(self, entries: Sequence[tuple[Coordinate, str, Any]]) -> None:
        """Several notes in one transaction, all or none; each as in :meth:`note`."""
        fresh: dict[tuple[str, str], str] = {}
        self._turns.take("note")
        try:
            for at, kind, payload in entries:
                where, text = str(at), encode(payload, f"the note {kind!r} at {at}")
                known = fresh.get((where, kind)) or next((encode(note.payload, kind) for note in self._notes(where, kind)), None)
                if known is None:
                    fresh[where, kind] = text
                elif known != text:
                    was, now = shorten(known), shorten(text)
                    raise Diverged(f"{self.path}: another {kind!r} is recorded at {at}\n  recorded: {was}\n  now:      {now}")
            for where, _ in fresh:
                self._seen.add(where)
            if fresh:
                self._append(*[row(where, kind, "note", None, text) for (where, kind), text in fresh.items()])
        finally:
            self._turns.leave("note")

    def noted(self, at: Coordinate, kind: str) -> Any:
        """What was noted, None when nothing was."""
        rows = self._notes(str(at), kind)
        return rows[0].payload if rows else None

    def of_item(self, at: Coordinate) -> list[Event]:
        """Every row of one item: of the coordinates that share the first four parts of ``at``."""
        item = f"{at.step}/{at.candidate}/{at.item}/{at.repeat}"
        return self._rows("coordinate >= ? AND coordinate < ? ORDER BY seq", (f"{item}/", f"{item}0"))  # "0" comes after "/"

    def checkpoint(self, state: Any, at: Coordinate) -> None:
        """Record the JSON-like state from which a resumed run goes on; durable before it returns.

        Raises:
            Diverged: another state is recorded at ``at``.
        """
        crash_point("before-checkpoint")
        self.note(at, _CHECKPOINT, state)
        crash_point("after-checkpoint")

    def last_checkpoint(self) -> tuple[Coordinate, Any] | None:
        """Where the latest checkpoint was made, and its state; None before the first."""
        rows = self._rows("kind = ? AND phase = 'note' ORDER BY seq DESC LIMIT 1", (_CHECKPOINT,))
        return (parse_coordinate(rows[0].coordinate), rows[0].payload) if rows else None

    def events(self, kind: str | None = None, phase: str | None = None, after: int = -1) -> Iterator[Event]:
        """Rows in order of ``seq``, read page by page; ``after`` skips those up to a known one."""
        where, parameters = "seq > ?", []
        for column, wanted in (("kind", kind), ("phase", phase)):
            if wanted is not None:
                where += f" AND {column} = ?"
                parameters.append(wanted)
        while page := self._rows(f"{where} ORDER BY seq LIMIT {_PAGE}", (after, *parameters)):
            yield from page
            after = page[-1].seq

    def close(self) -> None:
        """Finish what was accepted and close the file. Closing twice is harmless."""
        if self._writer is not None:
            self._writer.close()
        with self._lock:
            reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()

    def __enter__(self) -> RunJournal:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _open(self, header: Mapping[str, str] | None) -> None:
        assert self._reader is not None
        if database.is_empty(self._reader, self.path):
            if header is None or self._writer is None:
                raise JournalError(f"{self.path} holds no run yet; it was interrupted before its first row")
            database.create(self._reader, row("", "header", "note", None, encode(dict(header), "the header")))
        if header is not None:
            _compare(dict(self.header), dict(header), self.path)
        for (coordinate,) in self._reader.execute("SELECT DISTINCT coordinate FROM event") if self._writer is not None else ():
            self._seen.add(coordinate)

    def _append(self, *rows: Row, wait: bool = True) -> None:
        if self._writer is None:
            raise JournalError(f"{self.path} was opened read-only")
        self._writer.append(rows, wait=wait, gather=len(self._turns) >= BUSY)

    def _rows(self, where: str, parameters: Sequence[Any]) -> list[Event]:
        with self._lock, database.translated(self.path, "reading the run journal"):
            if self._reader is None:
                raise JournalError(f"{self.path}: the run journal is closed")
            rows = self._reader.execute(f"SELECT {COLUMNS} FROM event WHERE {where}", parameters).fetchall()
        return [decode_row(row, str(self.path)) for row in rows]

    def _notes(self, where: str, kind: str) -> list[Event]:
        """Notes of one kind at one coordinate: none or one. Where nothing was written by this or an earlier process nobody looks."""
        if self._writer is not None and where not in self._seen:
            return []
        return self._rows("coordinate = ? AND kind = ? AND phase = 'note'", (where, kind))

    def _answered(self, where: str, kind: str, digest: str, describe: Description) -> Event | None:
        """The recorded outcome, after comparing kind and digest with every recorded intent."""
        outcome = None
        intent: Event | None = None
        for event in self._rows("coordinate = ? AND phase IN ('intent', 'outcome') ORDER BY seq", (where,)):
            intent = event if event.phase == "intent" else intent
            if (event.kind, event.request_sha256) != (kind, digest):
                raise Diverged(_difference(self.path, intent or event, where, kind, digest, describe))
            outcome = event if event.phase == "outcome" else outcome
        return outcome

    def _perform(self, where: str, kind: str, digest: str, perform: Callable[[], Mapping[str, Any]]) -> str:
        """JSON text of the answer; a failure is noted and raised."""
        try:
            return encode(perform(), f"the outcome of {kind} at {where}")
        except Exception as error:
            report = {"type": type(error).__name__, "message": shorten(str(error), 1000)}
            try:
                self._append(row(where, kind, "failed", digest, encode(report, "a failure")))
            except JournalError as trouble:
                error.add_note(f"and the failure could not be noted: {trouble}")
            raise


def _described(describe: Description) -> Mapping[str, Any]:
    return describe() if callable(describe) else (describe or {})


def _difference(path: Path, intent: Event, where: str, kind: str, digest: str, describe: Description) -> str:
    return (
        f"{path}: the resumed run asks for another effect at {where} (step/candidate/item/repeat/phase/ordinal)\n"
        f"  recorded: {intent.kind} {intent.request_sha256} {shorten(intent.payload)}\n"
        f"  now:      {kind} {digest} {shorten(_described(describe))}\n"
        "the program, its data or its settings are not those of the recorded run; run it as it was, or fork a new run"
    )


def _compare(old: dict[str, str], new: dict[str, str], path: Path) -> None:
    names = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
    if names:
        lines = "".join(f"\n  {name}: recorded {old.get(name, 'nothing')}, now {new.get(name, 'nothing')}" for name in names)
        raise Diverged(f"{path} belongs to a run with another {', '.join(names)}{lines}\ngo on with what was recorded, or fork a new run")
