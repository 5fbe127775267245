"""SQLiteStore: a ParameterStore in one file, for any number of threads and processes of one machine.

Write-ahead log; versions are synchronised to the disk before they are acknowledged, gradient pushes
survive the process. Writers of one process share a commit when several wait (group commit). Do not
put the file on a network file system: SQLite's log needs shared memory.
"""

from __future__ import annotations

import os
import sqlite3
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from paragrad.errors import Corrupted, StoreError, UsageError
from paragrad.stores import sqlite_tables as tables
from paragrad.stores.backend import Head, Pointer, Row
from paragrad.stores.grouping import REFUSALS, Grouped, Job
from paragrad.stores.ids import HEAD
from paragrad.stores.sqlite_errors import translate, translated
from paragrad.stores.sqlite_pool import Pool
from paragrad.stores.sqlite_recent import Recent

_CACHED_ROWS = 4096
_CACHED_BYTES = 16_384


class SQLiteStore(Grouped):
    """Versions, gradients, releases and states in one SQLite file.

    Args:
        url: ``"sqlite:///file.db"`` (relative to the working folder), ``"sqlite:////abs/file.db"``, or a path.
        reproducible: gradient sums that do not depend on the order of the pushes.
        lease_seconds: after this time gradients that were taken and not consumed return.
        wait: seconds to wait for other processes.

    Raises:
        UsageError: a URL that names no file.
        StoreError: the file cannot be made or opened, or belongs to another program.
        Corrupted: it is no database.
    """

    def __init__(self, url: str | Path, *, reproducible: bool = False, lease_seconds: float = 600.0, wait: float = 30.0) -> None:
        self.path = _path(str(url))
        self.key = str(url) if str(url).startswith("sqlite:") else f"sqlite:///{url}"
        self.reproducible = reproducible
        self.lease_seconds = lease_seconds
        self.wait = wait
        self._cache: dict[str, tuple[Row, bytes]] = {}
        self._verified = Recent()
        if not self.path.parent.is_dir():
            raise StoreError(f"{self!r}: the folder {self.path.parent} does not exist; make it first")
        with translated(self, wait):
            self._pool = Pool(self.path, wait)
        self._closing = weakref.finalize(self, self._pool.close)
        self.recover()

    def close(self) -> None:
        """Close the connections; further calls are errors."""
        self._closing()

    def __reduce__(self) -> tuple[Any, ...]:
        return SQLiteStore, (f"sqlite:///{self.path}",)

    def keys(self, prefix: str) -> list[str]:
        """Keys of documents."""
        with translated(self, self.wait), self._pool.reading() as connection:
            found = connection.execute("SELECT key FROM documents WHERE substr(key, 1, ?) = ?", (len(prefix), prefix))
            return [key for (key,) in found]

    # The six methods of Backend, on tables.

    def _write_jobs(self, jobs: Sequence[Job]) -> None:
        self._pool.check()
        try:
            with self._pool.lock:  # not while another thread closes the writer
                one_by_one = not self._write_all(jobs)
                for job in jobs if one_by_one else ():
                    self._write_one(job)
        except sqlite3.Error as error:
            raise translate(error, self, self.wait) from error

    def _write_one(self, job: Job) -> None:
        """A job of a group that was rolled back because of one of them: what is wrong with one is no error of the others."""
        job.error = None
        try:
            self._write_all([job])
        except sqlite3.Error as error:
            job.error = translate(error, self, self.wait)
        except REFUSALS as error:
            job.error = error

    def _write_all(self, jobs: Sequence[Job]) -> bool:
        """One transaction; nothing of it stays when that fails. False: SQLite refuses one of several, and none was written."""
        try:
            writer = self._pool.begin(any(job.durable for job in jobs))
            self._verified.begin(writer)
            try:
                for job in jobs:
                    _perform(writer, job, self._verified)
            except (sqlite3.Error, *REFUSALS):
                if len(jobs) == 1:
                    raise
                self._undo()
                return False
            writer.execute("COMMIT")
            return True
        except BaseException:
            self._undo()
            raise

    def _undo(self) -> None:
        self._verified.forget()
        self._pool.undo()

    def _documents(self, keys: Sequence[str]) -> dict[str, bytes]:
        with translated(self, self.wait), self._pool.reading() as connection:
            return tables.documents(connection, keys)

    def _pointers(self, ids: Sequence[str]) -> dict[str, Pointer]:
        with translated(self, self.wait), self._pool.reading() as connection:
            return tables.pointers(connection, ids)

    def _row(self, id: str, at: int | None = None) -> Row | None:
        if at is None:
            row = self._newest(id)
        else:
            with translated(self, self.wait), self._pool.reading(snapshot=True) as connection:
                row = tables.at_commit(connection, id, at)
        if row is None:
            self._refuse_lost(id)
        return row

    def _newest(self, id: str) -> Row | None:
        """The newest version; one that was verified before is known by its digest."""
        cached = self._cache.get(id)
        connection = self._pool.borrow()
        try:
            if cached is not None:
                sealed = connection.execute(tables.SEALED, (id,)).fetchone()
                if sealed is not None and sealed[0] == cached[1]:
                    return cached[0]
            found = tables.newest(connection, id)
        except sqlite3.Error as error:
            raise translate(error, self, self.wait) from error
        finally:
            self._pool.give_back(connection)
        if found is None:
            return None
        self._keep(id, found)
        return found[0]

    def _keep(self, id: str, found: tuple[Row, bytes]) -> None:
        """Remember a small verified row; the oldest go when there are too many."""
        if len(found[0].data) > _CACHED_BYTES:
            return
        if len(self._cache) >= _CACHED_ROWS:
            for old in list(self._cache)[: _CACHED_ROWS // 4]:
                self._cache.pop(old, None)
        self._cache[id] = found

    def _rows(self, id: str) -> list[Row]:
        with translated(self, self.wait), self._pool.reading(snapshot=True) as connection:
            return tables.every(connection, id)

    def _ids(self, prefix: str) -> list[str]:
        with translated(self, self.wait), self._pool.reading(snapshot=True) as connection:
            head = Head.decode(tables.documents(connection, [HEAD]).get(HEAD))
            found = tables.all_ids(connection)
        if len(found) != head.parameters:
            raise Corrupted(f"{self!r} has lost parameters: {len(found)} of {head.parameters} are there; restore it from a backup")
        return [id for id in found if id.startswith(prefix)]

    def _refuse_lost(self, id: str) -> None:
        """An id that a lookup misses and a scan finds means a damaged index."""
        if id in self._ids(id) and id not in self._pointers([id]):
            raise Corrupted(f"{self!r}: the index of parameters is damaged; restore the database from a backup")

    def _address(self) -> str:
        return f"sqlite:///{self.path}"


def _perform(writer: sqlite3.Connection, job: Job, recent: Recent) -> None:
    """One job inside the group's transaction; a refused one has written nothing."""
    try:
        change = job.decide(recent.documents(writer, job.keys), recent.pointers(writer, job.ids))
    except REFUSALS as error:
        job.error = error
        return
    tables.apply(writer, change)
    recent.wrote(change)
    job.result = change.result


def _path(url: str) -> Path:
    """The absolute path a URL names.

    Raises:
        UsageError: it names none.
    """
    if not url.startswith("sqlite:"):
        if "://" in url:
            raise UsageError(f"{url.partition('://')[0]}:// is no SQLite URL; write 'sqlite:///file.db'")
        return Path(os.path.abspath(url))
    rest = url.removeprefix("sqlite:")
    if not rest.startswith("///") or rest in ("///", "////") or "?" in rest or "#" in rest:
        raise UsageError(f"{url:.80} names no file; write 'sqlite:///file.db' (relative) or 'sqlite:////abs/file.db', without options")
    return Path(os.path.abspath(unquote(rest[3:])))
