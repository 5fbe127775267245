"""What a SQLiteStore's writer read or wrote last: valid as long as SQLite says that no other connection has written."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from paragrad.stores import sqlite_tables as tables
from paragrad.stores.backend import Change, Pointer
from paragrad.stores.ids import HEAD

_MOST = 4096


class Recent:
    """The head and the pointers, verified when they were read, so that a commit need not read and verify them again."""

    def __init__(self) -> None:
        self._of: tuple[sqlite3.Connection | None, int] = (None, 0)
        self._head: bytes | None = None
        self._pointers: dict[str, Pointer] = {}

    def begin(self, writer: sqlite3.Connection) -> None:
        """At the start of a transaction that holds the write lock: forget what another connection may have changed."""
        now = (writer, writer.execute("PRAGMA data_version").fetchone()[0])
        if now != self._of:
            self.forget()
            self._of = now

    def forget(self) -> None:
        """A transaction did not get through."""
        self._head = None
        self._pointers.clear()

    def documents(self, writer: sqlite3.Connection, keys: Sequence[str]) -> dict[str, bytes]:
        """Verified payloads of the keys that exist."""
        if self._head is None:
            return tables.documents(writer, keys)
        found = tables.documents(writer, [key for key in keys if key != HEAD]) if len(keys) > 1 or HEAD not in keys else {}
        if HEAD in keys:
            found[HEAD] = self._head
        return found

    def pointers(self, writer: sqlite3.Connection, ids: Sequence[str]) -> dict[str, Pointer]:
        """Verified pointers of the ids that exist."""
        known = self._pointers
        unknown = [id for id in ids if id not in known]
        if unknown:
            if len(known) + len(unknown) > _MOST:
                known.clear()
                unknown = list(ids)
            known.update(tables.pointers(writer, unknown))
        return {id: known[id] for id in ids if id in known}

    def wrote(self, change: Change) -> None:
        """A change that is part of this transaction."""
        self._head = change.documents.get(HEAD, self._head)
        for row in change.rows:
            self._pointers[row.id] = row.pointer()
