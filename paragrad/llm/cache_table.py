"""CacheTable: answers by key in one SQLite file that several processes share.

A row whose bytes do not match their digest is no row. A file that is no database is set aside and
begun anew: a cache may always forget. What nobody has stored is known without a look into the file.
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

from paragrad.llm.peers import Peers, peers_of
from paragrad.seen import Seen

if TYPE_CHECKING:
    import sqlite3

T = TypeVar("T")

_PASSING = frozenset({5, 6, 8, 10, 13, 14})  # SQLite: busy, locked, read-only, I/O error, full, cannot open: the file itself is well

MANY = 32
"""Answers that are written in one transaction at most."""
OLD = 0.25
"""Seconds after which an answer is written with the next one, however few they are."""

_ENCODER = json.JSONEncoder(separators=(",", ":"), default=dict)
_TABLES = """
CREATE TABLE IF NOT EXISTS answer (key TEXT PRIMARY KEY, payload TEXT NOT NULL, sha256 TEXT NOT NULL, time REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stored (seq INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL);
"""
_SELECT = "SELECT payload, sha256 FROM answer WHERE key = ?"
_OLDER = "INSERT INTO stored (key) SELECT key FROM answer WHERE NOT EXISTS (SELECT 1 FROM stored)"  # of a release that kept no list


class CacheTable:
    """Opened at first use; safe in threads, after a fork, and beside other processes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._free: list[sqlite3.Connection] = []  # each is used by one thread at a time, so readers never wait
        self._pid = 0
        self._lock = Lock()
        self._pending: dict[str, tuple[str, str, str, float]] = {}
        self._seen = Seen()
        self._heard: bytes | None = None
        self._last = 0
        self._peers: Peers | None = None

    def get(self, key: str) -> Mapping[str, Any] | None:
        """The stored answer, or None: missing, damaged or unreadable."""
        waits = self._pending.get(key)
        if waits is None and self._is_absent(key):
            return None
        row = waits[1:3] if waits is not None else self._attempt(lambda db: db.execute(_SELECT, (key,)).fetchone(), None)
        if row is None or not all(isinstance(part, str) for part in row):
            return None
        payload, digest = row
        if hashlib.sha256(f"{key}{payload}".encode("utf-8", "surrogatepass")).hexdigest() != digest:
            return None
        found = json.loads(payload)
        return found if isinstance(found, dict) else None

    def put(self, key: str, answer: Mapping[str, Any], *, behind: bool = False) -> None:
        """Store an answer and end the lease on its key; without effect when the file cannot be written.

        Args:
            behind: the answer is durable elsewhere, so it may wait for others and share their transaction.
        """
        payload = _ENCODER.encode(answer)
        now = time.time()
        row = (key, payload, hashlib.sha256(f"{key}{payload}".encode()).hexdigest(), now)
        self._seen.add(key)
        with self._lock:
            self._pending[key] = row
            oldest = next(iter(self._pending.values()))[3]
        if not behind or len(self._pending) >= MANY or now - oldest > OLD:
            self.flush()

    def flush(self) -> None:
        """Write the answers that wait, all in one transaction, and end their leases."""
        with self._lock:
            rows = list(self._pending.values())
            if rows:
                self._attempt(lambda db: _store(db, rows), None)
            self._pending.clear()
        if rows:
            self._sharing().tell()
        for row in rows:
            self.release(row[0])

    def lease(self, key: str) -> bool:
        """Whether this process may ask for ``key`` now: nobody else who lives is asking."""
        return self._sharing().take(key)

    def release(self, key: str) -> None:
        """End the lease."""
        self._sharing().release(key)

    def close(self) -> None:
        self.flush()
        self._drop()

    def __del__(self) -> None:
        self._drop()

    def _sharing(self) -> Peers:
        if self._peers is None:
            self._peers = peers_of(self.path.with_name(f"{self.path.name}-peers"))
        return self._peers

    def _is_absent(self, key: str) -> bool:
        """Whether nobody has stored this key, as far as that can be told without looking it up."""
        news = self._sharing().news()
        if news is not None and news != self._heard:
            with self._lock:
                if self._attempt(self._learn, False):
                    self._heard = news
        return news is not None and news == self._heard and key not in self._seen

    def _learn(self, db: sqlite3.Connection) -> bool:
        """Take note of the keys that were stored since the last time."""
        if not self._last:
            db.execute(_OLDER)
        for seq, key in db.execute("SELECT seq, key FROM stored WHERE seq > ? ORDER BY seq", (self._last,)):
            self._seen.add(str(key))
            self._last = seq
        return True

    def _attempt(self, work: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        """``work`` on an open database; ``otherwise`` when the file fails."""
        import sqlite3

        try:
            connection = self._take()
            found = work(connection)
        except (sqlite3.DatabaseError, UnicodeError) as error:
            self._drop()
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _PASSING:
                self._set_aside()
        except OSError:
            self._drop()
        else:
            self._free.append(connection)
            return found
        return otherwise

    def _take(self) -> sqlite3.Connection:
        """A connection that no other thread uses."""
        if self._pid != os.getpid():  # a fork opens its own
            self._free, self._pid = [], os.getpid()
        try:
            return self._free.pop()
        except IndexError:
            return self._open()

    def _open(self) -> sqlite3.Connection:
        import sqlite3

        self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self.path, timeout=10.0, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.executescript(_TABLES)
        return connection

    def _drop(self) -> None:
        while self._free and self._pid == os.getpid():
            self._free.pop().close()

    def _set_aside(self) -> None:
        self._heard, self._last = None, 0
        aside = self.path.with_suffix(f".damaged-{os.urandom(4).hex()}")
        try:
            self.path.replace(aside)
        except OSError:
            return
        for ending in ("-wal", "-shm"):
            Path(f"{self.path}{ending}").unlink(missing_ok=True)


def _store(db: sqlite3.Connection, rows: list[tuple[str, str, str, float]]) -> None:
    db.execute("BEGIN IMMEDIATE")
    db.executemany("INSERT OR REPLACE INTO answer VALUES (?, ?, ?, ?)", rows)
    db.executemany("INSERT INTO stored (key) VALUES (?)", [row[:1] for row in rows])
    db.execute("COMMIT")
