"""RedisStore: a ParameterStore on a Redis server, for any number of processes and machines.

Every change is one script, applied whole or not at all; the layout is that of ``KeyValueStore``, and
gradient pushes are appended to lists. An acknowledged change is as durable as the server's
``appendfsync`` says: see ``durability``.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from typing import Any

from paragrad.errors import Conflict, Corrupted
from paragrad.stores.appending import Appending, fits_after
from paragrad.stores.backend import Row
from paragrad.stores.grouping import Job, all_wrote, decided
from paragrad.stores.ids import parameter_key, version_key
from paragrad.stores.layout import pointer_from, row_bytes, row_from
from paragrad.stores.redis_documents import Documents, Stored
from paragrad.stores.redis_link import Address, Link
from paragrad.stores.redis_scripts import STAMP
from paragrad.stores.sealing import unseal

_CACHED_ROWS = 4096
_CACHED_BYTES = 16_384
_MANY = 500


class RedisStore(Appending):
    """Versions, gradients, releases and states on a Redis server.

    Args:
        url: ``"redis://user:password@host:6379/0?prefix=name"`` (``rediss://`` over TLS); the prefix keeps several
            stores apart and is "paragrad" by default.
        reproducible: gradient sums that do not depend on the order of the pushes.
        lease_seconds: after this time gradients that were taken and not consumed return.
        wait: seconds to wait for a server that restarts.

    Attributes:
        durability: "always": on the disk before it is acknowledged; "everysec": a crash of the server may lose
            the last second; "no": what the operating system had not written; "none": everything; "unknown": the
            server does not say.
        durable: whether it is "always".

    Raises:
        UsageError: a URL that names no server.
        StoreError: the package redis is missing, the server cannot be reached or refuses.
    """

    def __init__(self, url: str, *, reproducible: bool = False, lease_seconds: float = 600.0, wait: float = 30.0) -> None:
        self._url = url
        self.reproducible = reproducible
        self.lease_seconds = lease_seconds
        self.wait = wait
        link = Link(Address(url), repr(self), wait)
        self._closing = weakref.finalize(self, link.close)
        self._place = Documents(link, reproducible)
        self._place.refuse_foreign()
        self._cache: dict[str, tuple[bytes, Row]] = {}
        self.durability = self._place.durability()
        self.durable = self.durability == "always"

    def close(self) -> None:
        """Close the connections."""
        self._closing()

    def __reduce__(self) -> tuple[Any, ...]:
        return RedisStore, (self._url,)

    # The three primitives, on the documents.

    def read(self, keys: Sequence[str]) -> dict[str, tuple[bytes, int]]:
        """Payloads of documents; the token is the stamp of their last change."""
        return {key: (found.payload, int.from_bytes(found.stamp, "big")) for key, found in self._place.fetch(keys).items()}

    def write(self, values: Mapping[str, bytes], expect: Mapping[str, int]) -> None:
        """Compare-and-set on documents."""
        found = self._place.fetch(expect)
        moved = any((int.from_bytes(found[key].stamp, "big") if key in found else 0) != token for key, token in expect.items())
        if moved or self._place.write(values, found) is None:
            raise Conflict(f"{sorted(expect)!r:.100} were written by another; read them again")

    def keys(self, prefix: str) -> list[str]:
        """Keys of documents."""
        return self._place.keys(prefix)

    # What Grouped and Appending ask for.

    def _write_jobs(self, jobs: Sequence[Job]) -> None:
        ids = list(dict.fromkeys(id for job in jobs for id in job.ids))
        names = list(dict.fromkeys([*(key for job in jobs for key in job.keys), *map(parameter_key, ids)]))
        found = self._recent.find(names)
        if found is not None:
            if self._attempt(jobs, ids, found, recent=True):
                return
            self._recent.forget()
        while not self._attempt(jobs, ids, self._place.fetch(names)):
            pass

    def _attempt(self, jobs: Sequence[Job], ids: Sequence[str], found: Mapping[str, Stored], recent: bool = False) -> bool:
        """Decide on ``found`` and write; False: it has changed meanwhile, or (``recent``) may have."""
        documents = {key: stored.payload for key, stored in found.items()}
        batch = decided(jobs, documents, self._recent.pointers(ids, documents))
        if recent and not all_wrote(jobs):
            return False
        payloads = {key: payload for key, payload in batch.documents.items() if payload is not None or key in found}
        payloads |= {version_key(row.id, row.ordinal): row_bytes(row) for row in batch.rows}
        payloads |= {parameter_key(id): payload for id, (payload, _) in batch.pointers.items()}
        if not payloads:
            return True
        stamp = self._place.write(payloads, found, fits_after(batch.anew, batch.documents))
        if stamp is None:
            return False
        self._recent.keep({key: None if payload is None else Stored(payload, stamp) for key, payload in payloads.items()}, batch.pointers)
        return True

    def _append(self, name: str, fit: bytes, entry: bytes, mark: str | None) -> bool:
        return self._place.append(name, fit, entry, mark)

    # The methods of Backend.

    def _documents(self, keys: Sequence[str]) -> dict[str, bytes]:
        return {key: found.payload for key, found in self._place.fetch(keys).items()}

    def _row(self, id: str, at: int | None = None) -> Row | None:
        if at is not None:
            return super()._row(id, at)
        known = self._cache.get(id)
        found = self._place.newest(id, known[0] if known else b"")
        if found == 1 and known is not None:
            return known[1]
        if found == 0:
            return None
        pointer = pointer_from(unseal(parameter_key(id), found[0][STAMP:]))
        row = self._opened(id, pointer.count - 1, found[1][STAMP:] or None)
        if row.version != pointer.version:
            raise Corrupted(f"{self!r}: the newest version of {id!r} is {row.version}, but its pointer says {pointer.version}")
        self._keep(id, bytes(found[0][:STAMP]), row)
        return row

    def _rows(self, id: str) -> list[Row]:
        pointer = self._pointers([id]).get(id)
        rows: list[Row] = []
        for first in range(0, pointer.count if pointer else 0, _MANY):
            ordinals = range(first, min(first + _MANY, pointer.count if pointer else 0))
            found = self._documents([version_key(id, n) for n in ordinals])
            rows += [self._made(id, n, found.get(version_key(id, n))) for n in ordinals]
        return rows

    def _opened(self, id: str, ordinal: int, sealed: bytes | None) -> Row:
        return self._made(id, ordinal, None if sealed is None else unseal(version_key(id, ordinal), sealed))

    def _made(self, id: str, ordinal: int, payload: bytes | None) -> Row:
        if payload is None:
            raise Corrupted(f"version number {ordinal} of {id!r} is missing from {self!r}; restore it from a backup")
        return row_from(id, ordinal, payload)

    def _keep(self, id: str, stamp: bytes, row: Row) -> None:
        """Remember a small verified row as long as its pointer has this stamp."""
        if len(row.data) <= _CACHED_BYTES:
            if len(self._cache) >= _CACHED_ROWS:
                self._cache.clear()
            self._cache[id] = (stamp, row)
