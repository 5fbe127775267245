"""FileStore: a ParameterStore in a directory, or under a prefix of any file system that fsspec knows."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from paragrad.errors import Conflict, Corrupted, UnknownName
from paragrad.protocols.space import Space
from paragrad.stores.backend import Change, Pointer, Row
from paragrad.stores.files import rows
from paragrad.stores.files.index import Copy, Index
from paragrad.stores.files.places import open_files, translated
from paragrad.stores.files.reading import Reader
from paragrad.stores.files.records import digest
from paragrad.stores.files.versions import Ref
from paragrad.stores.files.writing import Batch
from paragrad.stores.grouping import REFUSALS, Grouped, Job
from paragrad.stores.publish import Draft
from paragrad.stores.sealing import pack, unpack
from paragrad.stores.urls import redacted

_LARGE = 32_768
"""Bytes from which a document has a file of its own."""


class FileStore(Grouped):
    """Versions, gradients, releases and states in files.

    Args:
        url: ``"file:///abs/dir"``, ``"file:dir"`` (relative), or a URL of fsspec (``"s3://bucket/dir"``,
            ``"fsspec+SCHEME://..."`` for any other). A directory is made when missing.
        reproducible: gradient sums that do not depend on the order of the pushes.
        lease_seconds: after this time gradients that were taken and not consumed return.
        wait: seconds to wait for other writers.
        **options: for the fsspec file system (keys, endpoints).

    Raises:
        UsageError: a URL that names no place, or fsspec is not installed.
        StoreError: the place cannot be made or written, or holds something else.
        Corrupted: a file was changed, cut or lost.
    """

    def __init__(self, url: str, *, reproducible: bool = False, lease_seconds: float = 600.0, wait: float = 30.0, **options: Any) -> None:
        self.key = redacted(url)
        self.reproducible = reproducible
        self.lease_seconds = lease_seconds
        self._options = options
        self._url = url
        self._reading = threading.Lock()
        with translated(self):
            self._files = open_files(url, wait, options)
            self._state = Index(partial(self._files.place, ""))  # no way back to the store: it closes when it is dropped
            self._reader = Reader(self._files)
            try:
                self._load()
            except BaseException:
                self._files.close()
                raise
        self._closing = weakref.finalize(self, self._files.close)
        self.recover()

    def close(self) -> None:
        """Close the files; further calls are errors."""
        self._closing()

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(FileStore, self._address(), **self._options), ()

    def keys(self, prefix: str) -> list[str]:
        """Keys of documents."""
        with self._known() as index:
            return [key for key in index.documents if key.startswith(prefix)]

    # The six methods of Backend.

    def _write_jobs(self, jobs: Sequence[Job]) -> None:
        """One record for each, one synchronisation for all."""
        self._renew_after_fork()
        durable, superseded = False, list[str]()
        with translated(self):
            with self._files.exclusive():
                for job in jobs:
                    try:
                        superseded += self._perform(job)
                    except REFUSALS as error:
                        job.error = error
                    durable = durable or (job.durable and job.wrote)
                ticket, number = self._files.ticket(), self._state.number
            if any(job.wrote for job in jobs):
                self._files.settle(ticket, number, durable, superseded)

    def _perform(self, job: Job) -> list[str]:
        """Decide and write one change; returns what it supersedes."""
        deadline = time.monotonic() + self.retry_seconds
        while True:
            with translated(self):
                with self._reading:
                    self._catch_up(locked=True)
                    base, kept, pointers = self._state.number, self._state.named(job.keys), self._state.pointers(job.ids)
                change = job.decide(self._all_opened(kept), pointers)
                job.result = change.result
                if not change.rows and not change.documents:
                    return []
                superseded = self._write_change(change, job.durable, base)
            if superseded is not None:
                job.wrote = True
                return superseded
            if time.monotonic() > deadline:
                raise Conflict(f"{self!r} is written by others all the time; nothing was changed in {self.retry_seconds:.0f} s; try again")

    def _write_change(self, change: Change, durable: bool, base: int) -> list[str] | None:
        """Write data, then the record that is the commit; returns what it supersedes, None when another writer was faster.

        Args:
            base: the record after which it was decided. Reads take over what other machines wrote since, whose numbers are not free.
        """
        state, files = self._state, self._files
        new, end, copy = self._add_rows(change.rows)
        documents = {key: self._placed(key, content) for key, content in change.documents.items()}
        payload = state.record(documents, new, end, copy)
        if durable and copy is None:
            files.sync_data()
        with self._reading, self._whole():
            record = files.append(payload) if state.number == base else None
            superseded = state.apply(record) if record is not None else []
        if record is None:
            written = [ref.place for ref in documents.values() if isinstance(ref, Ref)]
            files.drop([*written, *{ref.place for _, ref in new.values()}])
            return None
        if files.grown():
            files.sync_data(range(state.settled, state.end[0] + 1))
            with self._reading, self._whole():
                state.apply(files.snapshot(state.snapshot()))
        return [ref.place for ref in superseded]

    def _add_rows(self, new: Sequence[Row]) -> tuple[dict[str, tuple[Row, Ref]], tuple[int, int], Copy | None]:
        """Write versions; returns them with their places, the new end of the data, and a copy of little data."""
        if not new:
            return {}, self._state.end, None
        batch = Batch(new, self._state.parameters)
        parts = batch.lay_out()
        name, offset, end = self._files.add(parts, self._state.end, batch.seal)
        return batch.placed(name, offset), end, batch.copy(name, offset) if self._files.copies else None

    def _placed(self, key: str, content: bytes | None) -> bytes | Ref | None:
        """A document as the index keeps it: large ones in a file of their own."""
        if content is None or len(content) < _LARGE:
            return content
        return Ref(self._files.put_large(content), 0, len(content), digest([key.encode(), content]), 0)

    def _documents(self, keys: Sequence[str]) -> dict[str, bytes]:
        with self._known() as index:
            kept = index.named(keys)
        return self._all_opened(kept)

    def _all_opened(self, kept: Mapping[str, bytes | Ref]) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for key, content in kept.items():
            opened = self._opened(key, content)
            if opened is not None:
                found[key] = opened
        return found

    def _opened(self, key: str, content: bytes | Ref) -> bytes | None:
        """A document's verified bytes; one that was superseded meanwhile is looked up again."""
        while isinstance(content, Ref):
            with translated(self):
                data = self._files.get_large(content.place)
            if data is not None:
                if len(data) != content.size or digest([key.encode(), data]) != content.digest:
                    raise rows.damaged(self._files.place(content.place), 0, key, 0)
                return data
            with self._known() as index:
                now = index.documents.get(key)
            if now == content:
                raise Corrupted(f"{self._files.place(content.place)} is missing; restore this file from a backup")
            if now is None:
                return None
            content = now
        return content

    def _pointers(self, ids: Sequence[str]) -> dict[str, Pointer]:
        with self._known() as index:
            return index.pointers(ids)

    def _row(self, id: str, at: int | None = None) -> Row | None:
        with self._known() as index:
            known = index.parameters.get(id)
        if known is None:
            return None
        with translated(self):
            return self._reader.newest(id, known.roots) if at is None else self._reader.at(id, known.roots, at)

    def _rows(self, id: str) -> list[Row]:
        with self._known() as index:
            known = index.parameters.get(id)
        with translated(self):
            return self._reader.every(id, known.roots) if known is not None else []

    def _ids(self, prefix: str) -> list[str]:
        with self._known() as index:
            return [id for id in index.parameters if id.startswith(prefix)]

    def _address(self) -> str:
        return self._files.address or self._url

    # How values lie there.

    def _pack(self, space: Space[Any], value: Any) -> Any:
        return rows.packed(space, value)

    def _unpack(self, space: Space[Any], row: Row) -> Any:
        try:
            return rows.unpacked(space, row)
        except (ValueError, TypeError, KeyError) as error:
            raise Corrupted(f"version {row.version} of {row.id!r} is no {space.kind} value: {error}") from error

    def _space(self, spec: str) -> Space[Any]:
        try:
            return super()._space(spec)
        except UnknownName:  # a plug-in's, which is not installed here
            raise
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise Corrupted(f"{self!r} names a space that is none: {spec:.120} ({error}); restore the directory from a backup") from error

    def _staged_bytes(self, draft: Draft) -> bytes:
        return pack({"dtype": draft.data.dtype}, [bytes(draft.data.content)])

    def _from_staged(self, spec: str, data: bytes) -> Any:
        header, blobs = unpack(data)
        return rows.Packed(header["dtype"], blobs[0])

    @contextmanager
    def _known(self) -> Iterator[Index]:
        """The index as of now; the caller copies what it needs."""
        self._renew_after_fork()
        with translated(self), self._reading:
            self._catch_up()
            yield self._state

    def _catch_up(self, locked: bool = False) -> None:
        """Take over what other writers did; the caller holds ``_reading``, or is alone."""
        records = None
        try:
            records = self._files.news(locked)
            for record in records:
                self._state.apply(record)
        except BaseException as error:
            if records is not None or not isinstance(error, Exception):  # else nothing was read
                self._files.reread()
            raise
        self._state.refuse_older()

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """An index that an interrupt left half changed, or behind what was written, is read anew."""
        try:
            yield
        except BaseException:
            self._files.reread()
            raise

    def _load(self) -> None:
        """Make the index of a new store or read it, and clear away what dead writers left."""
        with self._files.exclusive():
            if self._files.fresh():
                self._state.apply(self._files.snapshot(self._state.snapshot()))
            self._recover_copies()
            self._files.refuse_fewer(self._state.number)
            self._files.sweep(self._state.blobs(), self._state.end)

    def _recover_copies(self) -> None:
        """Take over the index, and put data back that a power cut has taken from where it belongs; its record has a copy."""
        for record in self._files.news(locked=True):
            self._state.apply(record)
            copy = self._state.copy_in(record)
            if copy is not None:
                self._files.restore(*copy)

    def _renew_after_fork(self) -> None:
        """In a child process nothing of the parent's is used, its locks neither."""
        self._process.renew(self._after_fork)
        self._files.check()

    def _after_fork(self) -> None:
        super()._after_fork()
        self._reading = threading.Lock()
        self._files.renew()
