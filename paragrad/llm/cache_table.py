"""CacheTable: answers by key in one SQLite file that several processes share.

A row whose bytes do not match their digest is no row. A file that is no database is set aside and
begun anew: a cache may always forget.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import sqlite3

T = TypeVar("T")

_PASSING = frozenset({5, 6, 8, 10, 13, 14})  # SQLite: busy, locked, read-only, I/O error, full, cannot open: the file itself is well

_TABLES = """
CREATE TABLE IF NOT EXISTS answer (key TEXT PRIMARY KEY, payload TEXT NOT NULL, sha256 TEXT NOT NULL, time REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lease (key TEXT PRIMARY KEY, owner TEXT NOT NULL, until REAL NOT NULL) WITHOUT ROWID;
"""


class CacheTable:
    """Opened at first use; safe in threads, after a fork, and beside other processes."""

    def __init__(self, path: Path) -> None:
        self._connection: sqlite3.Connection | None = None
        self.path = path
        self._lock = Lock()
        self._pid = 0
        self._owner = ""

    def get(self, key: str) -> Mapping[str, Any] | None:
        """The stored answer, or None: missing, damaged or unreadable."""
        row = self._do(lambda db: db.execute("SELECT payload, sha256 FROM answer WHERE key = ?", (key,)).fetchone(), None)
        if row is None or not all(isinstance(part, str) for part in row):
            return None
        payload, digest = row
        if hashlib.sha256(f"{key}{payload}".encode("utf-8", "surrogatepass")).hexdigest() != digest:
            return None
        found = json.loads(payload)
        return found if isinstance(found, dict) else None

    def put(self, key: str, answer: Mapping[str, Any]) -> None:
        """Store an answer; without effect when the file cannot be written."""
        payload = json.dumps(answer, ensure_ascii=True, separators=(",", ":"), default=dict)
        row = (key, payload, hashlib.sha256(f"{key}{payload}".encode()).hexdigest(), time.time())
        self._do(lambda db: db.execute("INSERT OR REPLACE INTO answer VALUES (?, ?, ?, ?)", row), None)

    def lease(self, key: str, seconds: float) -> bool:
        """Whether this process may ask for ``key`` now; another one that asked within its lease and still lives may not be doubled."""

        def take(db: sqlite3.Connection) -> bool:
            now = time.time()
            db.execute("BEGIN IMMEDIATE")
            row = db.execute("SELECT owner, until FROM lease WHERE key = ?", (key,)).fetchone()
            free = row is None or row[0] == self._owner or row[1] < now or not _alive(row[0])
            if free:
                db.execute("INSERT OR REPLACE INTO lease VALUES (?, ?, ?)", (key, self._owner, now + seconds))
            db.execute("COMMIT")
            return free

        return self._do(take, True)

    def release(self, key: str) -> None:
        """End this process' lease."""
        self._do(lambda db: db.execute("DELETE FROM lease WHERE key = ? AND owner = ?", (key, self._owner)), None)

    def close(self) -> None:
        with self._lock:
            self._drop()

    def __del__(self) -> None:
        self._drop()

    def _do(self, work: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        """``work`` on the open database; ``otherwise`` when the file fails."""
        import sqlite3

        with self._lock:
            try:
                return work(self._open())
            except (sqlite3.DatabaseError, UnicodeError) as error:
                passing = getattr(error, "sqlite_errorcode", 0) & 0xFF in _PASSING
                self._drop()
                if not passing:
                    self._set_aside()
            except OSError:
                self._drop()
            return otherwise

    def _open(self) -> sqlite3.Connection:
        import sqlite3

        if self._connection is not None and self._pid == os.getpid():
            return self._connection
        self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self.path, timeout=10.0, isolation_level=None, check_same_thread=False)
        self._connection, self._pid = connection, os.getpid()
        self._owner = f"{_host()}|{self._pid}|{os.urandom(8).hex()}"
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.executescript(_TABLES)
        return connection

    def _drop(self) -> None:
        if self._connection is not None and self._pid == os.getpid():
            self._connection.close()
        self._connection = None

    def _set_aside(self) -> None:
        aside = self.path.with_suffix(f".damaged-{os.urandom(4).hex()}")
        try:
            self.path.replace(aside)
        except OSError:
            return
        for ending in ("-wal", "-shm"):
            Path(f"{self.path}{ending}").unlink(missing_ok=True)


def _host() -> str:
    from socket import gethostname

    return gethostname()


def _alive(owner: str) -> bool:
    """Whether the process that holds a lease may still live; one on another host is given the benefit of the doubt."""
    host, _, rest = owner.partition("|")
    pid = rest.partition("|")[0]
    if host != _host() or not pid.isdigit():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
