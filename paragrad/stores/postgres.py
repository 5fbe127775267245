"""PostgresStore: a ParameterStore in one schema of a PostgreSQL database, for any number of processes and machines.

One transaction per group of changes, writers in turn, readers never waiting; gradient pushes are rows
of their own, so pushers do not wait for each other. Every transaction records its client's number,
so after a lost connection it is known whether the commit got through: acknowledged is durable, and
nothing happens twice.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from typing import Any

from paragrad.errors import Corrupted
from paragrad.stores import postgres_tables as tables
from paragrad.stores.appending import Appending, fit_key, fits_after, folded, list_key
from paragrad.stores.backend import Row
from paragrad.stores.grouping import Batch, Job, all_wrote, decided
from paragrad.stores.ids import parameter_key, segment, version_key
from paragrad.stores.layout import pointer_from, row_bytes, row_from
from paragrad.stores.postgres_arrays import blobs, numbers, texts
from paragrad.stores.postgres_link import Address, Link, Writer, lock_number
from paragrad.stores.sealing import seal, unseal

_CACHED_ROWS = 4096
_CACHED_BYTES = 16_384


class PostgresStore(Appending):
    """Versions, gradients, releases and states in a PostgreSQL database.

    Args:
        url: ``"postgresql://user:password@host:5432/database?schema=name"``; what is left out comes from PGHOST,
            PGPASSWORD, ~/.pgpass and so on; the schema keeps several stores apart and is "paragrad" by default.
        reproducible: gradient sums that do not depend on the order of the pushes.
        lease_seconds: after this time gradients that were taken and not consumed return.
        wait: seconds to wait for a server that restarts, and for other writers.

    Attributes:
        durable: whether the server writes to the disk before it acknowledges (``fsync`` and ``synchronous_commit``).

    Raises:
        UsageError: a URL that cannot be one.
        StoreError: the package psycopg is missing, the server cannot be reached or refuses.
    """

    def __init__(self, url: str, *, reproducible: bool = False, lease_seconds: float = 600.0, wait: float = 30.0) -> None:
        self._url = url
        self.reproducible = reproducible
        self.lease_seconds = lease_seconds
        self.wait = wait
        self._link = Link(Address(url), repr(self), wait)
        self._closing = weakref.finalize(self, self._link.close)
        self._lock_number = lock_number(self._link.address.schema)
        self._cache: dict[str, tuple[bytes, Row]] = {}
        self.durable = bool(self._asked(tables.SETTINGS, ())[0][0])

    def close(self) -> None:
        """Close the connections; further calls are errors."""
        self._closing()

    def __reduce__(self) -> tuple[Any, ...]:
        return PostgresStore, (self._url,)

    def keys(self, prefix: str) -> list[str]:
        """Keys of documents."""
        return [key for (key,) in self._asked(tables.KEYS, (prefix,))]

    # What Grouped and Appending ask for.

    def _write_jobs(self, jobs: Sequence[Job]) -> None:
        ids = list(dict.fromkeys(id for job in jobs for id in job.ids))
        names = list(dict.fromkeys([*(key for job in jobs for key in job.keys), *map(parameter_key, ids)]))
        known = self._recent.find(names)
        batch = None if known is None else decided(jobs, known, self._recent.pointers(ids, known))
        if batch is not None and (not all_wrote(jobs) or batch.anew or None in batch.documents.values()):
            batch = None
        with self._link.writer() as writer:

            def work(connection: Any) -> Batch | None:
                if batch is not None and known is not None and self._checked(connection, writer, batch, known):
                    return batch
                return self._locked(connection, writer, jobs, names, ids)

            written = self._link.call(work)
        if written is not None:
            self._recent.keep(_payloads(written), written.pointers)

    def _checked(self, connection: Any, writer: Writer, batch: Batch, known: Mapping[str, bytes]) -> bool:
        """One round trip: write what was decided on ``known``; False: that no longer holds, and nothing was written."""
        documents = {key: seal(key, payload) for key, payload in _payloads(batch).items() if payload is not None}
        seen = [seal(key, payload) for key, payload in known.items()]
        ids, ordinals, versions, values = list(zip(*map(_stored, batch.rows), strict=True)) or [(), (), (), ()]
        given: list[Any] = [self._lock_number, writer.id, writer.number, texts(list(known)), blobs(seen)]
        given += [texts(list(documents)), blobs(list(documents.values())), texts(ids), numbers(ordinals), numbers(versions), blobs(values)]
        if connection.execute(tables.WRITE, given).fetchone()[0] == 1:
            return True
        self._recent.forget()
        return False

    def _locked(self, connection: Any, writer: Writer, jobs: Sequence[Job], names: list[str], ids: Sequence[str]) -> Batch | None:
        """Two round trips: read under the lock, decide, write. None: an earlier attempt got through."""
        with connection.pipeline():
            connection.execute("BEGIN")
            connection.execute(tables.LOCK, (self._lock_number,))
            claim = connection.execute(tables.CLAIM, (writer.id, writer.number))
            reading = connection.execute(*_reading(names), binary=True)
        if claim.fetchone() is None:
            connection.execute("ROLLBACK")
            return None
        documents, taken = self._opened(reading.fetchall())
        batch = decided(jobs, documents, self._recent.pointers(ids, documents))
        with connection.pipeline():
            _apply(connection, batch, taken)
            connection.execute("COMMIT")
        return batch

    def _append(self, name: str, fit: bytes, entry: bytes, mark: str | None) -> bool:
        sealed = seal(mark, b"1") if mark is not None else b""
        with self._link.writer() as writer:
            given = {"writer": writer.id, "number": writer.number, "fit_key": fit_key(name), "fit": fit, "mark": mark, "sealed": sealed}
            given |= {"list": list_key(name), "entry": entry}
            found = self._link.call(lambda connection: connection.execute(tables.APPEND, given).fetchone())
            return bool(found[0])

    # The methods of Backend.

    def _documents(self, keys: Sequence[str]) -> dict[str, bytes]:
        return self._opened(self._asked(*_reading(list(keys))))[0] if keys else {}

    def _row(self, id: str, at: int | None = None) -> Row | None:
        key, part = parameter_key(id), segment(id)
        if at is not None:
            return self._row_at(id, at)
        known = self._cache.get(id)
        if known is not None:
            found = self._asked(tables.POINTER, (key,))
            if found and found[0][0] == known[0]:
                return known[1]
        found = self._asked(tables.NEWEST, (part, key))
        if not found:
            return None
        sealed, ordinal, value = found[0]
        pointer = pointer_from(unseal(key, sealed))
        if ordinal != pointer.count - 1:
            raise self._torn(id)
        row = self._made(id, ordinal, value)
        if row.version != pointer.version:
            raise self._torn(id)
        if len(row.data) <= _CACHED_BYTES:
            if len(self._cache) >= _CACHED_ROWS:
                self._cache.clear()
            self._cache[id] = (sealed, row)
        return row

    def _row_at(self, id: str, at: int) -> Row | None:
        """The version at a commit, by index."""
        found = self._asked(tables.AT, (segment(id), at))
        if not found:
            return None
        ordinal, value, following = found[0]
        row = self._made(id, ordinal, value)
        if following is not None and following != ordinal + 1:
            raise self._torn(id)
        if following is None:
            pointer = self._pointer(id)
            if pointer.version <= at and pointer.count != ordinal + 1:
                raise self._torn(id)
        return row

    def _rows(self, id: str) -> list[Row]:
        rows = [self._made(id, ordinal, value) for ordinal, value in self._asked(tables.EVERY, (segment(id),))]
        if [row.ordinal for row in rows] != list(range(len(rows))):
            raise self._torn(id)
        return rows

    # Details.

    def _asked(self, statement: str, given: Sequence[Any]) -> list[Any]:
        found: list[Any] = self._link.call(lambda connection: connection.execute(statement, given, binary=True).fetchall())
        return found

    def _opened(self, found: Sequence[Any]) -> tuple[dict[str, bytes], dict[str, list[int]]]:
        """Verified documents with the pushes to them folded in, and the numbers of these pushes."""
        documents: dict[str, bytes] = {}
        pushes: dict[str, list[tuple[int, bytes]]] = {}
        for key, value, number in found:
            if number is None:
                documents[key] = unseal(key, value)
            else:
                pushes.setdefault(f"g/{key[2:]}", []).append((number, value))
        taken = {key: [number for number, _ in entries] for key, entries in pushes.items() if key in documents}
        for key in taken:
            documents[key] = folded(f"q/{key[2:]}", documents[key], [value for _, value in pushes[key]], self.reproducible)
        return documents, taken

    def _made(self, id: str, ordinal: int, value: bytes) -> Row:
        return row_from(id, ordinal, unseal(version_key(id, ordinal), value))

    def _torn(self, id: str) -> Corrupted:
        return Corrupted(f"{self!r}: the versions of {id!r:.120} do not follow one another; restore the database from a backup")


def _reading(names: list[str]) -> tuple[str, tuple[Any, ...]]:
    """The statement that reads documents, and what to fill in."""
    lists = [f"q/{key[2:]}" for key in names if key.startswith("g/")]
    return (tables.READ_ALL, (names, lists)) if lists else (tables.READ, (names,))


def _payloads(batch: Batch) -> dict[str, bytes | None]:
    """All documents a group writes."""
    return {**batch.documents, **{parameter_key(id): payload for id, (payload, _) in batch.pointers.items()}}


def _apply(connection: Any, batch: Batch, taken: Mapping[str, Sequence[int]]) -> None:
    """Write a group's changes, inside a transaction."""
    payloads = _payloads(batch)
    fits = {fit_key(id): fit for id, fit in fits_after(batch.anew, batch.documents).items()}
    for key, fit in fits.items():  # first: this waits for pushes that are under way
        connection.execute(tables.PUT, (key, fit))
    gone = [key for key, payload in payloads.items() if payload is None]
    numbers = [number for key in payloads if key in taken for number in taken[key]]
    if numbers:
        connection.execute(tables.TAKE, (numbers,))
    if batch.anew:
        connection.execute(tables.EMPTY, ([list_key(id) for id in batch.anew],))
    for row in batch.rows:
        connection.execute(tables.ADD, _stored(row))
    for key, payload in payloads.items():
        if payload is not None:
            connection.execute(tables.PUT, (key, seal(key, payload)))
    if gone:
        connection.execute(tables.DROP, (gone,))


def _stored(row: Row) -> tuple[str, int, int, bytes]:
    """A version as its table has it."""
    return segment(row.id), row.ordinal, row.version, seal(version_key(row.id, row.ordinal), row_bytes(row))
