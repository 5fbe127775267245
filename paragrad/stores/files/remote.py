"""A FileStore's files on a file system of fsspec: an object store, a server, another machine's disk.

    paragrad.json      what this prefix is
    log/N              one record per commit; who makes it first has won (the compare-and-set)
    manifest/N         a snapshot of the index after record N, so that opening reads few records
    data/NAME          the versions of one commit
    large/NAME         large documents

Several machines may write where the file system makes a file only if there is none (S3, Google and
Azure storage do; fsspec's mode "create"). Elsewhere only one process may write. A writer that dies
before its record leaves data that no record names: it costs room and nothing else.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any
from uuid import uuid4

from paragrad.errors import Corrupted, StoreError, UsageError, not_installed
from paragrad.stores.files.records import Part, Record, frame, whole
from paragrad.stores.urls import redacted, scheme_of

_FORMAT, _VERSION = "paragrad files, remote", 1
_MARK = json.dumps({"format": _FORMAT, "version": _VERSION})
_EVERY = 256
_PAUSES = (0.01, 0.05, 0.2)
_BUCKETS = {"s3", "s3a", "gs", "gcs", "abfs", "az"}
_PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "abfs": "adlfs", "az": "adlfs", "sftp": "paramiko", "hdfs": "pyarrow"}


class RemoteFiles:
    """Files of one store under a prefix.

    Args:
        url: as fsspec takes it.
        options: for the file system.

    Raises:
        UsageError: fsspec, or what it needs for this scheme, is not installed; or no prefix.
        StoreError: the prefix holds something else.
    """

    copies = False
    address = ""

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        self._fs, root = _filesystem(url, options)
        self.root = root.rstrip("/")
        self._shown = redacted(url).rstrip("/")
        self._turn: AbstractContextManager[Any] = self._fs.__dict__.setdefault("_paragrad_turn", threading.RLock())
        self._next = 0
        self._since = 0
        self.closed = False
        self._prepare()

    def check(self) -> None:
        """Refuse a closed store."""
        if self.closed:
            raise StoreError(f"the store in {self._shown} is closed; open it again")

    def renew(self) -> None:
        """In a child process: nothing is open."""

    def close(self) -> None:
        """Nothing stays open here."""
        self.closed = True

    def place(self, name: str) -> str:
        """A file as messages name it."""
        return f"{self._shown}/{name or _log(self._next - 1)}"

    def exclusive(self) -> AbstractContextManager[Any]:
        """Threads of this process take turns; a commit that another process has overtaken finds its number taken."""
        return self._turn

    def fresh(self) -> bool:
        """Whether there is no index yet.

        Raises:
            Corrupted: there are records, so there was one.
        """
        if self._list("manifest"):
            return False
        if self._list("log"):
            raise Corrupted(f"{self._shown}/manifest is empty, but there are records; restore it from a backup")
        return True

    def news(self, locked: bool = False) -> list[Record]:
        """Records since the last call; the first time from the newest snapshot on."""
        found = []
        if not self._next:
            names = self._list("manifest")
            if not names:
                raise Corrupted(f"{self._shown}/manifest is empty: the manifest was lost; restore it from a backup")
            found.append(self._record(f"manifest/{names[-1]}"))
            self._next = int(names[-1]) + 1
        while True:
            try:
                found.append(self._record(_log(self._next)))
            except FileNotFoundError:
                return found
            self._next += 1
            self._since += 1

    def reread(self) -> None:
        """The next ``news`` start at the newest snapshot."""
        self._next = 0

    def append(self, payload: bytes) -> Record | None:
        """Write the next record; None when another writer made it."""
        framed = frame(payload)
        try:
            self._make(_log(self._next), framed)
        except FileExistsError:
            return None
        self._next += 1
        self._since += 1
        return whole(framed, "")

    def ticket(self) -> tuple[int, int]:
        """Nothing waits here."""
        return 0, 0

    def settle(self, ticket: tuple[int, int], number: int, durable: bool, superseded: Collection[str]) -> None:
        """What a record supersedes goes; the record itself is durable already."""
        self.drop(superseded)

    def refuse_fewer(self, number: int) -> None:
        """Nothing says here how many records there were."""

    def sync_data(self, packs: Collection[int] = ()) -> None:
        """Nothing waits here."""

    def grown(self) -> bool:
        """Whether a snapshot is due."""
        return self._since >= _EVERY

    def snapshot(self, payload: bytes) -> Record:
        """Write a snapshot after the last record; older ones but the last go."""
        framed = frame(payload)
        number = max(self._next - 1, 0)
        self._fs.pipe_file(f"{self.root}/manifest/{number:012}", framed)
        self._next, self._since = number + 1, 0
        for name in self._list("manifest")[:-2]:
            self.drop([f"manifest/{name}"])
        return whole(framed, "")

    def add(
        self, parts: Sequence[Part], end: tuple[int, int], seal: Callable[[], list[tuple[int, bytes]]]
    ) -> tuple[str, int, tuple[int, int]]:
        """Write one commit's data; see ``LocalFiles.add``."""
        name = f"data/{uuid4().hex}"
        content = bytearray(b"".join(parts))
        for place, piece in seal():
            content[place : place + len(piece)] = piece
        self._make(name, bytes(content))
        return name, 0, end

    def restore(self, name: str, offset: int, content: bytes) -> None:
        """Nothing: data is written whole before its record."""

    def read(self, name: str, offset: int, size: int) -> bytes:
        """A part of a file; shorter where it ends.

        Raises:
            Corrupted: the file is missing.
        """
        try:
            return bytes(self._fs.cat_file(f"{self.root}/{name}", start=offset, end=offset + size))
        except FileNotFoundError:
            raise Corrupted(f"{self._shown}/{name} is missing; restore this file from a backup") from None

    def put_large(self, content: bytes) -> str:
        """A large document in a file of its own."""
        name = f"large/{uuid4().hex}"
        self._make(name, content)
        return name

    def get_large(self, name: str) -> bytes | None:
        """A large document; None when it was superseded."""
        try:
            return self._get(name)
        except FileNotFoundError:
            return None

    def drop(self, names: Collection[str]) -> None:
        """Delete files that nothing names any more."""
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                self._fs.rm_file(f"{self.root}/{name}")

    def sweep(self, live: Collection[str], end: tuple[int, int]) -> None:
        """Nothing: what no record names may belong to a writer on another machine."""

    def _prepare(self) -> None:
        try:
            mark = json.loads(self._get("paragrad.json"))
        except FileNotFoundError:
            if self._list(""):
                raise StoreError(f"{self._shown} holds other files and no store; give an empty prefix, it was not changed") from None
            self._make_folders()
            self._fs.pipe_file(f"{self.root}/paragrad.json", _MARK.encode())
            return
        except (ValueError, RecursionError):
            raise Corrupted(f"{self._shown}/paragrad.json is damaged; it should hold {_MARK}") from None
        if not isinstance(mark, dict) or mark.get("format") != _FORMAT:
            raise StoreError(f"{self._shown}/paragrad.json is another program's; give another prefix, it was not changed")
        if mark.get("version") != _VERSION:
            raise StoreError(f"{self._shown} was written by a newer version of paragrad (format {mark.get('version')}); upgrade to open it")

    def _make_folders(self) -> None:
        """Folders, where there are any. A bucket is not made: it has an owner, a region and a price."""
        if scheme_of(self._shown) in _BUCKETS:
            bucket = self.root.partition("/")[0]
            if not self._fs.exists(bucket):
                raise StoreError(f"{self._shown}: there is no bucket {bucket!r:.80}, or these credentials may not see it; make it first")
            return
        for folder in ("log", "manifest", "data", "large"):
            self._fs.makedirs(f"{self.root}/{folder}", exist_ok=True)

    def _record(self, name: str) -> Record:
        """The record in a file. On some file systems one that is being made can be seen too early."""
        for pause in _PAUSES:
            try:
                return whole(self._get(name), f"{self._shown}/{name}")
            except Corrupted:
                time.sleep(pause)
        return whole(self._get(name), f"{self._shown}/{name}")

    def _get(self, name: str) -> bytes:
        return bytes(self._fs.cat_file(f"{self.root}/{name}"))

    def _make(self, name: str, content: bytes) -> None:
        """Write a file that does not exist yet.

        Raises:
            FileExistsError: it does.
        """
        self._fs.pipe_file(f"{self.root}/{name}", content, mode="create")

    def _list(self, folder: str) -> list[str]:
        """Names in a folder, sorted."""
        path = f"{self.root}/{folder}".rstrip("/")
        self._fs.invalidate_cache(path)
        try:
            found = self._fs.ls(path, detail=False)
        except FileNotFoundError:
            return []
        return sorted(str(each).rstrip("/").rpartition("/")[2] for each in found if str(each).rstrip("/") != path)


def _log(number: int) -> str:
    return f"log/{number:012}"


def _filesystem(url: str, options: Mapping[str, Any]) -> tuple[Any, str]:
    try:
        import fsspec
    except ImportError:
        raise not_installed(repr(redacted(url)), "fsspec", "files") from None
    try:
        fs, root = fsspec.core.url_to_fs(url, **options)
    except ImportError as error:
        package = _PACKAGES.get(scheme_of(url))
        fix = f"pip install {package}" if package else "install it"
        raise UsageError(f"{redacted(url)!r:.120} needs a package that [files] does not bring ({error}): {fix}") from None
    except ValueError as error:
        raise UsageError(f"{redacted(url)!r} names no file system: {error}") from None
    if not root.strip("/"):
        raise UsageError(f"{redacted(url)!r} names no place; write '{scheme_of(url)}://bucket/dir'")
    return fs, root
