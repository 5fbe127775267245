"""Tables of a SQLiteStore, and the statements on them.

    documents    key → sealed bytes (head, gradients, leases, releases, states)
    parameters   id → its newest version: the row's number, what it is, the row's digest; and a digest over these
    versions     one row per version, with a digest over all of it

A read follows ``parameters.row`` and checks that both digests agree; a read at a commit checks that
no version lies between the one found and the next. So a damaged index is found as well as a damaged
value.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from paragrad.errors import Corrupted
from paragrad.stores.backend import Change, Pointer, Row
from paragrad.stores.sealing import seal, unseal

APPLICATION = 0x70677264
SCHEMA = 1
CREATE = (
    "CREATE TABLE documents (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE parameters (id TEXT PRIMARY KEY, row INTEGER NOT NULL, version INTEGER NOT NULL, count INTEGER NOT NULL,"
    " spec TEXT NOT NULL, shape TEXT NOT NULL, sealed BLOB NOT NULL, digest BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE versions (row INTEGER PRIMARY KEY, id TEXT NOT NULL, version INTEGER NOT NULL, ordinal INTEGER NOT NULL,"
    " time REAL NOT NULL, note TEXT, spec TEXT NOT NULL, shape TEXT NOT NULL, data BLOB NOT NULL, digest BLOB NOT NULL)",
    "CREATE UNIQUE INDEX versions_of ON versions (id, version, ordinal)",
    f"PRAGMA application_id = {APPLICATION}",
    f"PRAGMA user_version = {SCHEMA}",
)
SEALED = "SELECT sealed FROM parameters WHERE id = ?"
_ROW = "v.id, v.version, v.ordinal, v.time, v.note, v.spec, v.shape, v.data, v.digest"
_NEWEST = f"SELECT {_ROW}, p.sealed FROM parameters p LEFT JOIN versions v ON v.row = p.row WHERE p.id = ?"
_AT = (
    f"SELECT {_ROW}, (SELECT n.ordinal FROM versions n WHERE n.id = v.id AND n.version > ?2 ORDER BY n.version LIMIT 1)"
    " FROM versions v WHERE v.id = ?1 AND v.version <= ?2 ORDER BY v.version DESC LIMIT 1"
)
_POINTER = "SELECT id, row, version, count, spec, shape, sealed, digest FROM parameters"
_DIGEST = 8


def _row_digest(id: Any, version: Any, ordinal: Any, time: Any, note: Any, spec: Any, shape: Any, data: bytes) -> bytes:
    """SHA-256 over everything in a row."""
    found = hashlib.sha256(f"{version} {ordinal} {time!r} {shape}\n{spec}\n{id}\n{note!r}\0".encode())
    found.update(data)
    return found.digest()


def opened(id: str, found: Sequence[Any]) -> Row:
    """A row, verified.

    Raises:
        Corrupted: it is missing, or its digest does not match.
    """
    name, version, ordinal, time, note, spec, shape, data, stored = found[:9]
    if name != id or not isinstance(data, bytes) or _row_digest(id, version, ordinal, time, note, spec, shape, data) != stored:
        raise Corrupted(f"the stored bytes of {id!r} do not match their digest; restore the database from a backup")
    return Row(id, version, ordinal, time, note, spec, data, _numbers(shape) if shape else ())


def newest(connection: sqlite3.Connection, id: str) -> tuple[Row, bytes] | None:
    """The newest version, verified, and its digest."""
    found = connection.execute(_NEWEST, (id,)).fetchone()
    if found is None:
        return None
    row = opened(id, found)
    if found[9] != found[_DIGEST]:
        raise _torn(id)
    return row, found[9]


def at_commit(connection: sqlite3.Connection, id: str, commit: int) -> Row | None:
    """The newest version not later than ``commit``; None when there was none."""
    found = connection.execute(_AT, (id, commit)).fetchone()
    if found is None:
        first = connection.execute("SELECT min(ordinal) FROM versions WHERE id = ? AND version > ?", (id, commit)).fetchone()
        if first[0] != (0 if count(connection, id) else None):
            raise _torn(id)
        return None
    row = opened(id, found)
    following = found[9] if found[9] is not None else count(connection, id)
    if following != row.ordinal + 1:
        raise _torn(id)
    return row


def every(connection: sqlite3.Connection, id: str) -> list[Row]:
    """Every version, oldest first."""
    rows = [opened(id, found) for found in connection.execute(f"SELECT {_ROW} FROM versions v WHERE id = ? ORDER BY version", (id,))]
    if [row.ordinal for row in rows] != list(range(count(connection, id))):
        raise _torn(id)
    return rows


def count(connection: sqlite3.Connection, id: str) -> int:
    """How many versions the pointer says there are."""
    found = pointers(connection, [id])
    return found[id].count if id in found else 0


def pointers(connection: sqlite3.Connection, ids: Iterable[str]) -> dict[str, Pointer]:
    """Verified pointers of the ids that exist."""
    found = {}
    for id in ids:
        record = connection.execute(f"{_POINTER} WHERE id = ?", (id,)).fetchone()
        if record is not None:
            found[id] = _pointer(*record)
    return found


def all_ids(connection: sqlite3.Connection) -> list[str]:
    """Every id; each pointer is verified."""
    found = connection.execute(_POINTER).fetchall()
    for record in found:
        _pointer(*record)
    return [record[0] for record in found]


def documents(connection: sqlite3.Connection, keys: Iterable[str]) -> dict[str, bytes]:
    """Verified payloads of the keys that exist."""
    found = {}
    for key in keys:
        record = connection.execute("SELECT value FROM documents WHERE key = ?", (key,)).fetchone()
        if record is not None:
            found[key] = unseal(key, record[0])
    return found


def apply(connection: sqlite3.Connection, change: Change) -> None:
    """Write a change, inside a transaction."""
    for row in change.rows:
        shape = ",".join(map(str, row.shape))
        sealed = _row_digest(row.id, row.version, row.ordinal, row.time, row.note, row.spec, shape, row.data)
        made = connection.execute(
            "INSERT INTO versions (id, version, ordinal, time, note, spec, shape, data, digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (row.id, row.version, row.ordinal, row.time, row.note, row.spec, shape, row.data, sealed),
        )
        pointer = (row.id, made.lastrowid, row.version, row.ordinal + 1, row.spec, shape, sealed)
        connection.execute(
            "INSERT OR REPLACE INTO parameters (id, row, version, count, spec, shape, sealed, digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (*pointer, _pointer_digest(*pointer)),
        )
    for key, payload in change.documents.items():
        if payload is None:
            connection.execute("DELETE FROM documents WHERE key = ?", (key,))
        else:
            connection.execute("INSERT OR REPLACE INTO documents (key, value) VALUES (?, ?)", (key, seal(key, payload)))


def _pointer(id: Any, row: Any, version: Any, versions: Any, spec: Any, shape: Any, sealed: Any, stored: Any) -> Pointer:
    if _pointer_digest(id, row, version, versions, spec, shape, sealed) != stored:
        raise _torn(str(id))
    return Pointer(version, versions, spec, _numbers(shape) if shape else ())


def _pointer_digest(id: Any, row: Any, version: Any, versions: Any, spec: Any, shape: Any, sealed: Any) -> bytes:
    return hashlib.sha256(f"{row} {version} {versions} {shape} {sealed!r}\n{spec}\n{id}".encode()).digest()[:16]


def _numbers(shape: str) -> tuple[int, ...]:
    return tuple(map(int, shape.split(",")))


def _torn(id: str) -> Corrupted:
    return Corrupted(f"the history of {id!r:.120} is damaged: its versions do not follow one another; restore the database from a backup")
