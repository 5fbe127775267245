"""Who may act at a coordinate, and which coordinates may have rows already."""

from __future__ import annotations

from threading import Condition, Lock

_MARKS = 1 << 20


class Turns:
    """One thread at a time per key; nothing is kept of a key that nobody holds."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._left = Condition(self._lock)
        self._held: set[str] = set()
        self._waiting = 0

    def __len__(self) -> int:
        """How many keys are held now."""
        return len(self._held)

    def take(self, key: str) -> None:
        """Wait until nobody holds ``key``, and hold it."""
        with self._lock:
            self._waiting += 1
            while key in self._held:
                self._left.wait()
            self._waiting -= 1
            self._held.add(key)

    def leave(self, key: str) -> None:
        """Let the next one have it."""
        with self._lock:
            self._held.discard(key)
            if self._waiting:
                self._left.notify_all()


class Seen:
    """Keys that were added, and a few that were not: a look-up it spares is spared for certain.

    One byte for about every key, of a fixed number, so that the memory of a long run stays flat.
    """

    def __init__(self) -> None:
        self._marks = bytearray(_MARKS)

    def add(self, key: str) -> None:
        """Remember a key."""
        self._marks[hash(key) % _MARKS] = 1

    def __contains__(self, key: str) -> bool:
        return self._marks[hash(key) % _MARKS] == 1
