"""A FileStore's files in a local directory.

    paragrad.json    what this directory is
    lock             held by whoever writes (flock)
    manifest/N       the index: a snapshot, then one record per commit; a record is the commit marker
    data/N           packs of versions, append only
    large/NAME       large documents (gradients, optimizer states), one file each
    reached          how many records there were

A commit writes the data, synchronises it, then writes and synchronises the record. What no record
names is no part of the store: the next writer cuts it off, the next to open sweeps it.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

from paragrad.disk import sync_folder
from paragrad.errors import Corrupted, StoreError
from paragrad.stores.files.manifest import Manifest, Ticket
from paragrad.stores.files.posix import close, posix_locks, read_at, replace, sync_file, write_at
from paragrad.stores.files.reached import Reached
from paragrad.stores.files.records import Part, Record

_FORMAT, _VERSION = "paragrad files", 1
_MARK = json.dumps({"format": _FORMAT, "version": _VERSION})
_PACK_BYTES = 256 << 20
_PAGE = 4096
_DOOMED = 8
_OWN = ("lock", "paragrad.json", "reached")


class LocalFiles:
    """Files of one store.

    Args:
        root: the directory; made when missing, its parent must exist.
        wait: seconds to wait for other processes.

    Raises:
        StoreError: it holds something else, or a newer format.
    """

    copies = True
    """Whether a record carries a copy of little data, which then needs no synchronisation of its own."""

    def __init__(self, root: Path, wait: float) -> None:
        self.root = root
        self.address = f"file://{quote(str(root))}"
        self.wait = wait
        self.closed = False
        self._pid = os.getpid()
        self._packs: dict[str, int] = {}
        self._dirty: set[str] = set()
        self._doomed: list[str] = []
        self._manifest = Manifest(root / "manifest")
        self._reached = Reached(root / "reached")
        self._lock = -1
        self._prepare()

    def check(self) -> None:
        """Refuse a closed store."""
        if self.closed:
            raise StoreError(f"the store in {self.root} is closed; open it again")

    def renew(self) -> None:
        """In a child process: let go of the parent's files."""
        self._pid = os.getpid()
        self._let_go()
        if not self.closed:
            self._lock = self._open_lock()

    def close(self) -> None:
        """Close every file."""
        if self._pid == os.getpid() and not self.closed:
            self._let_go()
        self.closed = True

    def place(self, name: str) -> str:
        """A file of this store as messages name it."""
        return str(self.root / name) if name else self._manifest.place

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """No other process writes meanwhile.

        Raises:
            StoreError: another process has kept the lock for ``wait`` seconds.
        """
        fcntl = posix_locks()
        deadline = time.monotonic() + self.wait
        pause = 0.0002
        try:
            while True:
                try:
                    fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        held = f"another process has kept {self.root / 'lock'} locked for {self.wait:.0f} s"
                        raise StoreError(f"{held}; stop it, or try again later") from None
                time.sleep(random.uniform(0, pause))
                pause = min(pause * 1.5, 0.005)
            yield
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    # The index.

    def fresh(self) -> bool:
        """Whether there is no index yet.

        Raises:
            Corrupted: there is data, so there was one.
        """
        if self._manifest.numbers():
            return False
        if any((self.root / "data").iterdir()):
            raise Corrupted(f"{self.root / 'manifest'} is empty, but there is data: the manifest was lost; restore it from a backup")
        return True

    def news(self, locked: bool = False) -> list[Record]:
        """Records since the last call; see ``Manifest.news``."""
        return self._manifest.news(locked)

    def reread(self) -> None:
        """The next ``news`` are all records: something came between reading or writing one and taking it over."""
        self._manifest.reread()

    def append(self, payload: bytes) -> Record | None:
        """Write a record."""
        return self._manifest.append(payload)

    def ticket(self) -> Ticket:
        """The last record; the caller still holds the lock."""
        return self._manifest.ticket()

    def settle(self, ticket: Ticket, number: int, durable: bool, superseded: Collection[str]) -> None:
        """Record ``number`` is durable from here on, if that is asked for; what it supersedes goes when it is."""
        self._doomed.extend(superseded)
        if durable or len(self._doomed) > _DOOMED:
            doomed, self._doomed = self._doomed, []
            self._manifest.sync(ticket)
            self.drop(doomed)
            durable = True
        self._reached.note(number, durable)

    def refuse_fewer(self, number: int) -> None:
        """Refuse a manifest that has lost records; it ends at ``number``."""
        self._reached.refuse_fewer(number, self._manifest.place)

    def sync_data(self, packs: Collection[int] = ()) -> None:
        """Data that was added is durable from here on; also what other processes added to ``packs``."""
        self._dirty.update(f"data/{number}" for number in packs if (self.root / f"data/{number}").exists())
        while self._dirty:
            sync_file(self._pack(self._dirty.pop()))

    def grown(self) -> bool:
        """Whether the index should be written anew."""
        return self._manifest.grown()

    def snapshot(self, payload: bytes) -> Record:
        """Write the index anew."""
        return self._manifest.renew(payload)

    # Data.

    def add(
        self, parts: Sequence[Part], end: tuple[int, int], seal: Callable[[], list[tuple[int, bytes]]]
    ) -> tuple[str, int, tuple[int, int]]:
        """Append parts to a pack; returns the pack, where in it they start, and the new end.

        Args:
            parts: bytes.
            end: where the pack ends now.
            seal: called after the parts were written; pieces that replace what was written, by their place in the parts.
        """
        number, offset = end if end[1] < _PACK_BYTES else (end[0] + 1, 0)
        name = f"data/{number}"
        fd = self._pack(name, create=offset == 0)
        size = os.fstat(fd).st_size
        if size < offset:
            raise Corrupted(f"{self.root / name} was cut: it has {size} of {offset} bytes; restore this file from a backup")
        if size > offset:  # a dead writer's
            os.ftruncate(fd, offset)
        write_at(fd, parts, offset)
        for place, piece in seal():
            write_at(fd, [piece], offset + place)
        self._dirty.add(name)
        return name, offset, (number, offset + sum(map(len, parts)))

    def restore(self, name: str, offset: int, content: bytes) -> None:
        """Put data back whose pages a power cut has taken: they are missing, or zero."""
        fd = self._pack(name, create=True)
        now = read_at(fd, offset, len(content))
        if now == content:
            return
        at = 0
        while at < len(content):
            end = at + _PAGE - (offset + at) % _PAGE
            if not any(now[at:end]):
                write_at(fd, [content[at:end]], offset + at)
            at = end

    def read(self, name: str, offset: int, size: int) -> bytes:
        """Bytes of a pack; fewer where it ends."""
        return read_at(self._pack(name), offset, size)

    def put_large(self, content: bytes) -> str:
        """A large document in a file of its own, durable before a record names it."""
        name = f"large/{uuid4().hex}"
        replace(self.root / name, content)
        return name

    def get_large(self, name: str) -> bytes | None:
        """A large document; None when it was superseded."""
        try:
            return (self.root / name).read_bytes()
        except FileNotFoundError:
            return None

    def drop(self, names: Collection[str]) -> None:
        """Delete large documents that were superseded."""
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                (self.root / name).unlink()

    def sweep(self, live: Collection[str], end: tuple[int, int]) -> None:
        """Delete what dead writers left: temporary files, large documents and packs that no record names."""
        left = [*self.root.glob("*.tmp")]
        left += [path for path in (self.root / "large").iterdir() if f"large/{path.name}" not in live]
        left += [path for path in (self.root / "data").iterdir() if path.name.isdecimal() and int(path.name) > end[0]]
        for path in left:
            path.unlink(missing_ok=True)
        self._manifest.sweep()

    def _prepare(self) -> None:
        self.root.mkdir(exist_ok=True)
        mark = self.root / "paragrad.json"
        others = [path for path in self.root.iterdir() if path.name not in _OWN and path.suffix != ".tmp"]
        if others and not mark.exists():
            raise StoreError(f"{self.root} holds other files and no store; give an empty or a new directory, it was not changed")
        self._lock = self._open_lock()
        with self.exclusive():
            if not mark.exists():
                replace(mark, _MARK.encode())
            _refuse_foreign(mark)
            for folder in ("manifest", "data", "large"):
                (self.root / folder).mkdir(exist_ok=True)
            sync_folder(self.root)

    def _open_lock(self) -> int:
        return os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)

    def _let_go(self) -> None:
        close(self._lock, *self._packs.values())
        self._packs, self._lock = {}, -1
        self._dirty.clear()
        self._manifest.close()
        self._reached.close()

    def _pack(self, name: str, create: bool = False) -> int:
        """The descriptor of a pack, opened on first use."""
        fd = self._packs.get(name)
        if fd is not None:
            return fd
        try:
            fd = os.open(self.root / name, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0), 0o666)
        except FileNotFoundError:
            raise Corrupted(f"{self.root / name} is missing; restore this file from a backup") from None
        if create:
            sync_folder(self.root / "data")
        kept = self._packs.setdefault(name, fd)
        if kept != fd:  # another thread was faster
            os.close(fd)
        return kept


def _refuse_foreign(mark: Path) -> None:
    try:
        found = json.loads(mark.read_bytes())
        name, version = found["format"], int(found["version"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Corrupted(f"{mark} is damaged; it should hold {_MARK}") from None
    if name != _FORMAT:
        raise StoreError(f"{mark} is another program's; give another directory, it was not changed")
    if version > _VERSION:
        raise StoreError(f"{mark.parent} was written by a newer version of paragrad (format {version}); upgrade to open it")
