"""Connections of a SQLiteStore: as many readers as are needed at once, one writer, none across a fork."""

from __future__ import annotations

import os
import random
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from paragrad.errors import StoreError
from paragrad.stores.forks import PerProcess, tell_of_forks
from paragrad.stores.sqlite_errors import BUSY, code_of
from paragrad.stores.sqlite_tables import APPLICATION, CREATE, SCHEMA

_LOG_PAGES = 2000
"""Pages of the log, 8 MB, from which on a commit carries them into the file. Fewer would sync the file more often."""
_LOG_BYTES = _LOG_PAGES * 4120
_STEP_BYTES, _STEP_COMMITS, _FIRST_COMMITS = 1 << 20, 32, 8
"""The log grows ahead by so many bytes at every so many durable commits, from the eighth on."""
_REST_SECONDS = 5.0
"""A fork waits so long for a commit that is under way."""


class Pool:
    """Connections to one file.

    Args:
        path: the database file; made when missing, its folder must exist.
        wait: seconds to wait for other processes.
    """

    def __init__(self, path: Path, wait: float) -> None:
        self.path = path
        self.wait = wait
        self.closed = False
        self._process = PerProcess()
        self._resting = False
        self._file: tuple[int, int] | None = None
        self._log_path = f"{os.path.realpath(path)}-wal"  # SQLite follows links too
        self._renew()
        self._prepare(self._open_writer())
        self._file = self._found(self.path)
        tell_of_forks(self)

    def _renew(self) -> None:
        self._free: list[sqlite3.Connection] = []
        self._writer: sqlite3.Connection | None = None
        self._synchronous = ""
        self._durable_commits = 0
        self._log: tuple[int, int] | None = None
        self.lock = threading.Lock()

    def _after_fork(self) -> None:
        """In a child the parent's connections must neither be used nor closed."""
        self._inherited = (self._free, self._writer)
        self._renew()

    def before_fork(self) -> None:
        """Close what is not in use.

        SQLite's notes of the locks that a process has would be the child's too, and the locks themselves not: so it would wait for ever for
        a commit of the parent that it has not got, and the log would be taken away under it.
        """
        self._resting = self._process.own() and not self.closed and self.lock.acquire(timeout=_REST_SECONDS)
        if self._resting:
            self._close_idle()

    def after_fork(self) -> None:
        """Go on; the next use opens connections."""
        if self._resting:
            self._resting = False
            self.lock.release()

    def _close_idle(self) -> None:
        """Close the writer and the readers that nobody uses; the caller holds ``lock``."""
        self._log = None
        with suppress(IndexError):
            while True:
                self._free.pop().close()
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def borrow(self) -> sqlite3.Connection:
        """A connection for reads; give it back."""
        self.check()
        try:
            return self._free.pop()
        except IndexError:
            return self._connect(self.wait)

    def give_back(self, connection: sqlite3.Connection) -> None:
        """The end of a ``borrow``."""
        if self.closed:
            connection.close()
        else:
            self._free.append(connection)

    @contextmanager
    def reading(self, snapshot: bool = False) -> Iterator[sqlite3.Connection]:
        """A connection for one or several reads; with ``snapshot`` they all see one commit."""
        connection = self.borrow()
        try:
            if snapshot:
                connection.execute("BEGIN")
            yield connection
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            self.give_back(connection)

    def begin(self, durable: bool) -> sqlite3.Connection:
        """Start a write transaction, waiting with jitter so that processes take turns.

        The caller has called ``check`` and holds ``lock``, or is alone.

        Args:
            durable: survive a power cut (FULL), or only the end of the process (NORMAL).

        Raises:
            StoreError: the file was deleted or replaced; nothing was written.
        """
        writer = self._writer or self._open_writer()
        if self._log is None:
            self._log = self._log_of(writer)
        wanted = "FULL" if durable else "NORMAL"
        if self._synchronous != wanted:
            writer.execute(f"PRAGMA synchronous = {wanted}")
            self._synchronous = wanted
        self._insist(writer, "BEGIN IMMEDIATE")
        try:
            self._refuse_replaced()
        except StoreError:
            writer.execute("ROLLBACK")
            raise
        if durable:
            self._durable_commits += 1
            if self._durable_commits % _STEP_COMMITS == _FIRST_COMMITS:
                self._lengthen_log()
        return writer

    def undo(self) -> None:
        """End a write transaction without effect, if there is one."""
        if self._writer is not None and self._writer.in_transaction:  # else SQLite has undone it
            self._writer.execute("ROLLBACK")

    def check(self) -> None:
        """Refuse a closed pool, renew one that came through a fork."""
        self._process.renew(self._after_fork)
        if self.closed:
            raise StoreError(f"the store on {self.path} is closed; open it again")

    def close(self) -> None:
        """Close what is not in use; the rest closes when it is given back."""
        if self.closed or not self._process.own():
            return
        self.closed = True
        with self.lock:
            self._close_idle()

    def _open_writer(self) -> sqlite3.Connection:
        self._writer = writer = self._connect(0.0)
        writer.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
        self._synchronous = ""
        return writer

    def _connect(self, wait: float) -> sqlite3.Connection:
        self._refuse_replaced()  # SQLite would make a new file where the old one is gone
        connection = sqlite3.connect(self.path, timeout=wait, isolation_level=None, check_same_thread=False, cached_statements=64)
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        return connection

    def _refuse_replaced(self) -> None:
        """Refuse a path that no longer names the file that is open: what is written there is lost with the last connection."""
        for path, known in ((self.path, self._file), (self._log_path, self._log)):
            if known is not None and (found := self._found(path)) != known:
                if path is self._log_path and self._log is None:  # it was closed meanwhile, before a fork
                    continue
                what = "was deleted" if found is None else "was replaced by another file"
                raise StoreError(
                    f"{path} {what} while this store had it open; nothing was written: put the file back, or open the store again"
                )

    def _log_of(self, writer: sqlite3.Connection) -> tuple[int, int] | None:
        """Which file the log is. What was committed last is there only; while a connection is open SQLite leaves it where it is.

        Raises:
            StoreError: the database has none, and may not get one.
        """
        if writer.execute("PRAGMA journal_mode").fetchone()[0] != "wal":  # another program has changed that while nobody had it open
            self._insist(writer, "PRAGMA journal_mode = WAL")
        writer.execute("PRAGMA schema_version").fetchone()  # opens it
        return self._found(self._log_path)

    @staticmethod
    def _found(path: Path | str) -> tuple[int, int] | None:
        """Which file a path names."""
        try:
            found = os.stat(path)
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

    def _lengthen_log(self) -> None:
        """Let the log grow ahead by zeros, which SQLite reads as its end: a synchronisation that makes a file longer takes twice as long.

        The caller holds the write lock of the database, so nobody else writes to the log.
        """
        with suppress(OSError), open(self._log_path, "r+b", buffering=0) as log:  # it is only faster
            end = log.seek(0, os.SEEK_END)
            if 0 < end < _LOG_BYTES:
                log.write(bytes(_STEP_BYTES))

    def _insist(self, writer: sqlite3.Connection, statement: str) -> None:
        """Run a statement that needs the write lock, trying again while others have it."""
        deadline = time.monotonic() + self.wait
        pause = 0.0005
        while True:
            try:
                writer.execute(statement)
                return
            except sqlite3.OperationalError as error:
                if code_of(error) not in BUSY or time.monotonic() > deadline:
                    raise
            time.sleep(random.uniform(0, pause))
            pause = min(pause * 1.5, 0.02)

    def _prepare(self, writer: sqlite3.Connection) -> None:
        """Make the tables of a new file; refuse a file of another program.

        Raises:
            StoreError: another program's database, or one of a newer version of this library.
        """
        if self._known(writer):
            return
        self.begin(durable=True)
        try:
            if not self._known(writer):
                for statement in CREATE:
                    writer.execute(statement)
            writer.execute("COMMIT")
        finally:
            self.undo()

    def _known(self, writer: sqlite3.Connection) -> bool:
        application = writer.execute("PRAGMA application_id").fetchone()[0]
        version = writer.execute("PRAGMA user_version").fetchone()[0]
        if application == APPLICATION and version == SCHEMA:
            return True
        if application == APPLICATION and version > SCHEMA:
            raise StoreError(f"{self.path} was written by a newer version of paragrad (format {version}); upgrade to open it")
        if application or writer.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise StoreError(f"{self.path} is a database of another program; give another path, it was not changed")
        return False
