"""Peers: what processes that share a cache tell each other, through one small file beside it.

Who asks a question holds a lock on one byte far behind the file's end; the system lets go of it when
the process dies. Whoever stored answers writes a new text into the file's first bytes, which every
process has in its memory: to hear that there is nothing new costs no call of the system.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from mmap import mmap

_NEWS = 8  # bytes
_SIZE = 4096

_SHARED: WeakValueDictionary[str, Peers] = WeakValueDictionary()  # the system's locks belong to the process, so this does too
_SHARING = Lock()


class Peers:
    """Get one with :func:`peers_of`. Where the file or its locks cannot be had, only this process is kept from asking twice."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Lock()
        self._held: set[str] = set()
        self._file: int | None = None
        self._map: mmap | None = None
        self._pid = os.getpid()

    def take(self, key: str) -> bool:
        """Whether the question ``key`` (hexadecimal) is now ours; False while someone else, here or in another process, asks it."""
        with self._lock:
            if self._pid != os.getpid():  # a fork keeps the file, but none of the locks
                self._pid = os.getpid()
                self._held.clear()
            if key in self._held:
                return False
            self._held.add(key)
        if self._locked(key):
            return True
        self._held.discard(key)
        return False

    def release(self, key: str) -> None:
        """Let go of ``key``, if it is ours."""
        if key in self._held:
            with suppress(ImportError, OSError):
                import fcntl

                fcntl.lockf(self._open(), fcntl.LOCK_UN, 1, _place(key))
            self._held.discard(key)

    def news(self) -> bytes | None:
        """The same bytes as long as nobody has stored anything; None when that cannot be known."""
        if self._map is None:
            with suppress(ImportError, OSError, ValueError):
                import mmap

                file = self._open()
                with self._lock:
                    if os.fstat(file).st_size < _SIZE:
                        os.ftruncate(file, _SIZE)
                    self._map = self._map or mmap.mmap(file, _SIZE)
        return None if self._map is None else self._map[:_NEWS]

    def tell(self) -> None:
        """Something was stored."""
        if self.news() is not None and self._map is not None:
            self._map[:_NEWS] = os.urandom(_NEWS)

    def __del__(self) -> None:
        if self._file is not None:
            os.close(self._file)

    def _locked(self, key: str) -> bool:
        try:
            import fcntl

            file = self._open()
        except (ImportError, OSError):
            return True
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _place(key))
        except (BlockingIOError, PermissionError):
            return False
        except OSError:
            return True
        return True

    def _open(self) -> int:
        with self._lock:
            if self._file is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            return self._file


def peers_of(path: Path) -> Peers:
    """Those who share this file: one object per process."""
    name = os.path.realpath(path)
    with _SHARING:
        found = _SHARED.get(name)
        if found is None:
            found = _SHARED[name] = Peers(path)
        return found


def _place(key: str) -> int:
    """A key's first 60 bits say which byte."""
    return _SIZE + int(key[:15], 16)
