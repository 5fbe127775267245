"""The SQLite file under a journal: created whole or not at all, and never mistaken for another."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from paragrad.errors import JournalError
from paragrad.journal.records import Row

APPLICATION = 0x50475252  # marks the file as ours, see PRAGMA application_id
VERSION = 1
MAGIC = b"SQLite format 3\0"
BUSY_SECONDS = 10.0

_TABLES = (
    "CREATE TABLE event (seq INTEGER PRIMARY KEY, coordinate TEXT NOT NULL, kind TEXT NOT NULL, phase TEXT NOT NULL,"
    " request_sha256 TEXT, payload TEXT NOT NULL, schema INTEGER NOT NULL, crc INTEGER NOT NULL)",
    "CREATE INDEX event_coordinate ON event (coordinate)",
    "CREATE INDEX event_kind ON event (kind, phase)",
)


@contextmanager
def translated(path: Path, doing: str) -> Iterator[None]:
    """Turn SQLite's errors into a :class:`JournalError` that names the file and the remedy."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise JournalError(f"{path}: {doing} failed: {error}; {_advice(str(error))}") from error


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection that any thread may use under the caller's lock; commits are durable (WAL, FULL)."""
    mode = "ro" if read_only else "rwc"
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode={mode}", uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        if not read_only:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def refuse_foreign(path: Path) -> None:
    """Look at the first bytes before SQLite may touch the file.

    Raises:
        JournalError: a folder, or a file that no SQLite wrote.
    """
    with translated(path, "reading the run journal"):
        if path.is_dir():
            raise JournalError(f"{path} is a folder, not a run journal; name a file in it")
        head = b""
        if path.exists():
            with path.open("rb") as file:
                head = file.read(len(MAGIC))
    if head and head != MAGIC:
        raise JournalError(f"{path} is not a run journal (it begins with {head[:8]!r}); nothing was changed")


def is_empty(connection: sqlite3.Connection, path: Path) -> bool:
    """Whether the file holds nothing yet (new, or its creation was interrupted).

    Raises:
        JournalError: another application's database, or a newer release's journal.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application == 0 and tables == 0:
        return True
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION:
        raise JournalError(f"{path} is another program's database, not a run journal; nothing was changed")
    if version > VERSION:
        raise JournalError(f"{path} was written by a newer release (format {version}, this one reads {VERSION}); upgrade paragrad")
    return False


def create(connection: sqlite3.Connection, header: Row) -> None:
    """Tables and row 0, in one transaction; does nothing when another process was faster."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            for statement in _TABLES:
                connection.execute(statement)
            connection.execute("INSERT INTO event VALUES (0, ?, ?, ?, ?, ?, ?, ?)", header)
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except sqlite3.Error:
        connection.execute("ROLLBACK")
        raise


def _advice(reason: str) -> str:
    reason = reason.lower()
    if "full" in reason or "disk i/o" in reason:
        return "free some disk space; what was acknowledged before is safe and the run can be resumed"
    if "malformed" in reason or "not a database" in reason:
        return "the file is damaged; restore it from a copy or start a new run"
    if "locked" in reason or "busy" in reason:
        return "another process is writing to it; wait for it or stop it"
    return "check that the folder exists and is writable"
