"""Connections of a SQLiteStore: as many readers as are needed at once, one writer, none across a fork."""

from __future__ import annotations

import os
import random
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from paragrad.errors import StoreError
from paragrad.stores.sqlite_errors import BUSY, code_of
from paragrad.stores.sqlite_tables import APPLICATION, CREATE, SCHEMA

_LOG_PAGES = 4000
"""Pages of the log, 16 MB, from which on a commit carries them into the file. Fewer would sync the file more often."""


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
        self._renew()
        with self.writing() as writer:
            self._prepare(writer)

    def _renew(self) -> None:
        self._pid = os.getpid()
        self._free: list[sqlite3.Connection] = []
        self._writer: sqlite3.Connection | None = None
        self.synchronous = ""
        self.lock = threading.Lock()

    def _after_fork(self) -> None:
        """In a child the parent's connections must neither be used nor closed."""
        self._inherited = (self._free, self._writer)
        self._renew()

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

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """The writer; the caller holds ``lock``, or is alone."""
        self.check()
        if self._writer is None:
            self._writer = self._connect(0.0)
            self._writer.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
            self.synchronous = ""
        yield self._writer

    def begin(self, durable: bool) -> None:
        """Start a write transaction, waiting with jitter so that processes take turns.

        Args:
            durable: survive a power cut (FULL), or only the end of the process (NORMAL).
        """
        assert self._writer is not None
        wanted = "FULL" if durable else "NORMAL"
        if self.synchronous != wanted:
            self._writer.execute(f"PRAGMA synchronous = {wanted}")
            self.synchronous = wanted
        self._insist("BEGIN IMMEDIATE")

    def check(self) -> None:
        """Refuse a closed pool, renew one that came through a fork."""
        if self._pid != os.getpid():
            self._after_fork()
        if self.closed:
            raise StoreError(f"the store on {self.path} is closed; open it again")

    def close(self) -> None:
        """Close what is not in use; the rest closes when it is given back."""
        if self.closed or self._pid != os.getpid():
            return
        self.closed = True
        while self._free:
            self._free.pop().close()
        with self.lock:
            if self._writer is not None:
                self._writer.close()
                self._writer = None

    def _connect(self, wait: float) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=wait, isolation_level=None, check_same_thread=False, cached_statements=64)
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        return connection

    def _insist(self, statement: str) -> None:
        """Run a statement that needs the write lock, trying again while others have it."""
        assert self._writer is not None
        deadline = time.monotonic() + self.wait
        pause = 0.0005
        while True:
            try:
                self._writer.execute(statement)
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
        self._insist("PRAGMA journal_mode = WAL")
        self.begin(durable=True)
        try:
            if not self._known(writer):
                for statement in CREATE:
                    writer.execute(statement)
            writer.execute("COMMIT")
        finally:
            if writer.in_transaction:
                writer.execute("ROLLBACK")

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
