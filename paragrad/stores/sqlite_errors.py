"""What SQLite's errors mean here."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from paragrad.errors import Corrupted, StoreError

BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_ADVICE = {
    sqlite3.SQLITE_FULL: "the disk is full; make room and try again, nothing was changed",
    sqlite3.SQLITE_READONLY: "the file or its folder is read-only; SQLite needs to write beside the file",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened; does its folder exist, and may you write there?",
    sqlite3.SQLITE_PERM: "you may not open this file",
    sqlite3.SQLITE_TOOBIG: "the value is larger than SQLite takes; nothing was changed",
    sqlite3.SQLITE_INTERRUPT: "the call was interrupted; nothing was changed",
}


def code_of(error: sqlite3.Error) -> int:
    """SQLite's primary result code, 0 for errors of the Python module itself."""
    return int(getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF


@contextmanager
def translated(store: object, wait: float) -> Iterator[None]:
    """Turn sqlite3's errors into ours.

    Raises:
        Corrupted: the file is damaged or no database.
        StoreError: everything else, with what to do about it.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise translate(error, store, wait) from error
    except UnicodeDecodeError as error:
        raise Corrupted(f"{store!r}: the file holds text that is none; restore it from a backup") from error


def translate(error: sqlite3.Error, store: object, wait: float) -> StoreError:
    """Our error for one of sqlite3's."""
    code = code_of(error)
    if code in BUSY:
        return StoreError(f"{store!r}: another process has kept the file locked for {wait:.0f} s; stop it, or try again later")
    short_read = getattr(error, "sqlite_errorname", "") == "SQLITE_IOERR_SHORT_READ"
    undecodable = code == 0 and "Could not decode" in str(error)
    lost_table = code == sqlite3.SQLITE_ERROR and "no such" in str(error)
    if code in _DAMAGED or short_read or undecodable or lost_table:
        return Corrupted(f"{store!r} is damaged, or no database: {error}; restore the file from a backup, or give another path")
    return StoreError(f"{store!r}: {_ADVICE.get(code, 'SQLite refuses')} ({error})")
