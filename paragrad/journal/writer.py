"""One writer thread with group commit: sixty-four waiting threads share one transaction and one fsync."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock, Thread

from paragrad.context import park
from paragrad.errors import JournalError
from paragrad.journal.crashpoints import crash_point
from paragrad.journal.database import connect, translated
from paragrad.journal.records import COLUMNS, Row

LARGEST_GROUP = 256
GATHERING = 0.003
"""Seconds that a group waits for more of its like. Whoever waits for it has given up its slot, so no call is held up."""

_INSERT = f"INSERT INTO event ({COLUMNS.removeprefix('seq, ')}) VALUES "
_ROW = "(?, ?, ?, ?, ?, ?, ?)"
_MOST_ROWS = 1000  # of one statement


class Ticket:
    """Rows on their way to the disk, and the lock on which their owner sleeps."""

    __slots__ = ("error", "gather", "resume", "rows", "turn")

    def __init__(self, rows: Sequence[Row], gather: bool) -> None:
        self.rows = rows
        self.gather = gather
        self.turn = Lock()
        self.turn.acquire()
        self.resume: Callable[[Lock], None] | None = None
        self.error: JournalError | None = None

    def wait(self) -> None:
        """Sleep until the rows are durable.

        Raises:
            JournalError: they could not be written.
        """
        self.turn.acquire()
        if self.error is not None:
            raise self.error

    def done(self, error: JournalError | None = None) -> None:
        """Wake the owner: at once, or when its executor has a slot for it."""
        self.error = error
        if self.resume is not None:
            self.resume(self.turn)
        else:
            self.turn.release()


class GroupCommit:
    """Appends entries durably. The thread starts with the first append and holds no reference to the journal."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._queue: SimpleQueue[Ticket | None] = SimpleQueue()
        self._lock = Lock()
        self._thread: Thread | None = None
        self._closed = False

    def append(self, rows: Sequence[Row], *, wait: bool = True, gather: bool = False) -> None:
        """Write ``rows`` in one transaction; returns once they are on the disk, or at once without ``wait``.

        Args:
            gather: others are about to append too; the group may wait for them a few milliseconds.

        Raises:
            JournalError: they could not be written; none of them was.
        """
        ticket = Ticket(rows, gather or not wait)
        if wait:
            ticket.resume = park()
        if not self._accepted(ticket):
            ticket.done(JournalError(f"{self.path}: the run journal is closed; open it again to record more"))
        if wait or ticket.error is not None:
            ticket.wait()

    def _accepted(self, ticket: Ticket) -> bool:
        with self._lock:
            if self._closed:
                return False
            if self._thread is None:
                self._thread = Thread(target=_write, args=(self.path, self._queue), name="paragrad-journal", daemon=True)
                self._thread.start()
            self._queue.put(ticket)
            return True

    def close(self) -> None:
        """Finish what was accepted, then stop the thread."""
        with self._lock:
            self._closed = True
            thread, self._thread = self._thread, None
            if thread is not None:
                self._queue.put(None)
        if thread is not None:
            thread.join()


def _write(path: Path, queue: SimpleQueue[Ticket | None]) -> None:
    connection: sqlite3.Connection | None = None
    while (first := queue.get()) is not None:
        if first.gather:
            time.sleep(GATHERING)
        group, last = _drain(queue, first)
        failure: JournalError | None = None
        try:
            with translated(path, "writing to the run journal"):
                connection = connection or connect(path)
                _commit(connection, group)
        except JournalError as error:
            failure = error
        for ticket in group:
            ticket.done(None if failure is None else JournalError(*failure.args))
        if last:
            break
        del first, group
    if connection is not None:
        connection.close()


def _drain(queue: SimpleQueue[Ticket | None], first: Ticket) -> tuple[list[Ticket], bool]:
    """Everything that waits by now, and whether the end was among it."""
    group = [first]
    while len(group) < LARGEST_GROUP:
        try:
            item = queue.get_nowait()
        except Empty:
            break
        if item is None:
            return group, True
        group.append(item)
    return group, False


def _commit(connection: sqlite3.Connection, group: list[Ticket]) -> None:
    """All rows in one statement where that is possible: the interpreter is let go of, and waited for, once."""
    crash_point("before-commit")
    rows = [row for ticket in group for row in ticket.rows]
    if len(rows) <= _MOST_ROWS:
        connection.execute(_INSERT + ", ".join([_ROW] * len(rows)), [value for row in rows for value in row])
    else:
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(_INSERT + _ROW, rows)
    crash_point("after-commit")
