"""Turns: who may act at a coordinate now."""

from __future__ import annotations

from threading import Condition, Lock


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
