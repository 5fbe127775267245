"""KeyLocks: locks by name that processes share, let go by the system when their process dies."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from threading import Lock
from weakref import WeakValueDictionary

_SHARED: WeakValueDictionary[str, KeyLocks] = WeakValueDictionary()  # the system's locks belong to the process, so this does too
_SHARING = Lock()


class KeyLocks:
    """One byte of one file per key: the key's first 60 bits say which. Get one with :func:`key_locks`.

    Where the system has no such locks, or the file cannot be made, only this process is kept from asking twice.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Lock()
        self._held: set[str] = set()
        self._file: int | None = None
        self._pid = os.getpid()

    def take(self, key: str) -> bool:
        """Whether ``key`` (hexadecimal) is now ours; False while someone else, here or in another process, has it."""
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
            self._unlock(key)
            self._held.discard(key)

    def __del__(self) -> None:
        if self._file is not None:
            os.close(self._file)

    def _locked(self, key: str) -> bool:
        try:
            import fcntl

            fcntl.lockf(self._open(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _place(key))
        except (BlockingIOError, PermissionError):
            return self._file is None
        except (ImportError, OSError):
            return True
        return True

    def _open(self) -> int:
        with self._lock:
            if self._file is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            return self._file

    def _unlock(self, key: str) -> None:
        with suppress(ImportError, OSError):
            import fcntl

            if self._file is not None:
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _place(key))


def key_locks(path: Path) -> KeyLocks:
    """The locks of this file, one object per process."""
    name = os.path.realpath(path)
    with _SHARING:
        found = _SHARED.get(name)
        if found is None:
            found = _SHARED[name] = KeyLocks(path)
        return found


def _place(key: str) -> int:
    return int(key[:15], 16)
