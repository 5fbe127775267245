"""One writer thread with group commit: sixty-four waiting threads share one fsync."""

from __future__ import annotations

import sqlite3
from concurrent.futures import Future
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any

from paragrad.errors import JournalError
from paragrad.journal.crashpoints import crash_point
from paragrad.journal.database import connect, translated
from paragrad.journal.records import COLUMNS, Entry

LARGEST_GROUP = 1024

_INSERT = f"INSERT INTO event ({COLUMNS.removeprefix('seq, ')}) VALUES (?, ?, ?, ?, ?, ?, ?)"

Item = tuple[list[tuple[Any, ...]], "Future[None]"]


class GroupCommit:
    """Appends entries durably. The thread starts with the first append and holds no reference to the journal."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._queue: SimpleQueue[Item | None] = SimpleQueue()
        self._lock = Lock()
        self._thread: Thread | None = None
        self._closed = False

    def append(self, entries: list[Entry], *, wait: bool = True) -> None:
        """Write ``entries`` in one transaction; returns once they are on the disk, or at once without ``wait``.

        Raises:
            JournalError: they could not be written; none of them was.
        """
        done: Future[None] = Future()
        rows = [entry.values() for entry in entries]
        with self._lock:
            if self._closed:
                raise JournalError(f"{self.path}: the run journal is closed; open it again to record more")
            if self._thread is None:
                self._thread = Thread(target=_write, args=(self.path, self._queue), name="paragrad-journal", daemon=True)
                self._thread.start()
            self._queue.put((rows, done))
        if wait:
            done.result()

    def close(self) -> None:
        """Finish what was accepted, then stop the thread."""
        with self._lock:
            self._closed = True
            thread, self._thread = self._thread, None
            if thread is not None:
                self._queue.put(None)
        if thread is not None:
            thread.join()


def _write(path: Path, queue: SimpleQueue[Item | None]) -> None:
    connection: sqlite3.Connection | None = None
    while (first := queue.get()) is not None:
        group, last = _drain(queue, first)
        try:
            with translated(path, "writing to the run journal"):
                connection = connection or connect(path)
                _commit(connection, group)
        except JournalError as error:
            for _, done in group:
                done.set_exception(JournalError(*error.args).with_traceback(None))
        else:
            for _, done in group:
                done.set_result(None)
        if last:
            break
    if connection is not None:
        connection.close()


def _drain(queue: SimpleQueue[Item | None], first: Item) -> tuple[list[Item], bool]:
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


def _commit(connection: sqlite3.Connection, group: list[Item]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.executemany(_INSERT, [row for rows, _ in group for row in rows])
        crash_point("before-commit")
        connection.execute("COMMIT")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    crash_point("after-commit")
