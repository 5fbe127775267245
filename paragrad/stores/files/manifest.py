"""The manifest of a local FileStore: ``manifest/N`` is a snapshot of the index, then one record per commit.

One that has grown is written anew as ``manifest/N+1`` (temporary file, fsync, rename, fsync of the
directory); then the old one goes. Who still has the old one open sees that its name is gone.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from paragrad.disk import sync_folder
from paragrad.errors import Corrupted
from paragrad.stores.files.posix import close, read_at, replace, sync_file, write_at
from paragrad.stores.files.records import Record, digest_of, frame, scan

Ticket = tuple[int, int]
"""A manifest's number and a place in it."""

_GROWTH = 4 << 20


class Manifest:
    """The newest manifest in ``folder``.

    Args:
        folder: where manifests are; it exists.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._fd = -1
        self._number = self._position = self._start = 0
        self._next = ""
        self._syncing = threading.Lock()
        self._synced = (0, 0)

    @property
    def place(self) -> str:
        """Its file, as messages name it."""
        return str(self.folder / str(self._number))

    def news(self, locked: bool = False) -> list[Record]:
        """Records that came since the last call; all of them where the manifest was written anew.

        Args:
            locked: the caller holds the lock and writes next: a dead writer's rest is cut off.

        Raises:
            Corrupted: a record was changed, or the file was cut.
        """
        known = os.fstat(self._fd) if self._fd >= 0 else None
        if known is None or known.st_nlink == 0 or (locked and self._superseded()):
            self._open_newest()
            known = os.fstat(self._fd)
        size = known.st_size
        if size == self._position:
            return []
        if size < self._position:
            raise Corrupted(f"{self.place} was cut: {self._position - size} bytes are missing; restore the directory from a backup")
        found, used, rest = self._scan(locked)
        if not self._position:
            if not found:
                raise Corrupted(f"{self.place} holds no snapshot: it was cut; restore the directory from a backup")
            self._start = used
        self._position += used
        if locked and rest:
            os.ftruncate(self._fd, self._position)
        return found

    def append(self, payload: bytes) -> Record:
        """Write a record behind the last one; nothing of it stays when that fails."""
        framed = frame(payload)
        try:
            write_at(self._fd, [framed], self._position)
        except OSError:
            os.ftruncate(self._fd, self._position)
            raise
        self._position += len(framed)
        return payload, digest_of(framed)

    def reread(self) -> None:
        """The next ``news`` are all records."""
        self._position = 0

    def ticket(self) -> Ticket:
        """Where the last record ends; ``sync`` takes it."""
        return self._number, self._position

    def sync(self, ticket: Ticket) -> None:
        """The record that ends there is durable from here on."""
        with self._syncing:
            if ticket <= self._synced:
                return
            reached = self.ticket()
            if ticket[0] == self._number:  # else it was written anew, durably
                sync_file(self._fd)
            self._synced = max(reached, ticket)

    def grown(self) -> bool:
        """Whether it is long enough to be written anew."""
        return self._position > _GROWTH + 2 * self._start

    def renew(self, payload: bytes) -> Record:
        """Write it anew, with ``payload`` as its snapshot."""
        framed = frame(payload)
        replace(self.folder / str(self._number + 1), framed)
        if self._number:
            (self.folder / str(self._number)).unlink()
            sync_folder(self.folder)
        self._open_newest()
        self._position = self._start = len(framed)
        return payload, digest_of(framed)

    def numbers(self) -> list[int]:
        """The manifests that are there, oldest first; more than one after a crash."""
        return sorted(int(path.name) for path in self.folder.iterdir() if path.name.isdecimal())

    def sweep(self) -> None:
        """Delete manifests that were superseded, and temporary files."""
        for number in self.numbers():
            if number < self._number:
                (self.folder / str(number)).unlink(missing_ok=True)
        for path in self.folder.glob("*.tmp"):
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file; the next use opens the newest."""
        close(self._fd)
        self._fd = -1
        self._number = self._position = 0
        self._syncing = threading.Lock()
        self._synced = (0, 0)

    def _scan(self, locked: bool) -> tuple[list[Record], int, bool]:
        """New records, their size, and whether something is behind them."""
        tries = 1 if locked else 5
        while True:
            data = self._unread()
            try:
                found, used = scan(data, self.place, self._position)
            except Corrupted:
                tries -= 1
                if not tries:
                    raise
                time.sleep(0.01)  # a record that is being written may look the same
                continue
            return found, used, used < len(data)

    def _unread(self) -> bytes:
        return read_at(self._fd, self._position, os.fstat(self._fd).st_size - self._position)

    def _superseded(self) -> bool:
        return os.path.exists(self._next)

    def _open_newest(self) -> None:
        """Open the newest; one that is replaced meanwhile is looked for again."""
        while True:
            numbers = self.numbers()
            if not numbers:
                raise Corrupted(f"{self.folder} is empty: the manifest was lost; restore the directory from a backup")
            try:
                fd = os.open(self.folder / str(numbers[-1]), os.O_RDWR | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            break
        self._next = str(self.folder / str(numbers[-1] + 1))
        with self._syncing:
            close(self._fd)
            self._fd, self._number, self._position = fd, numbers[-1], 0
