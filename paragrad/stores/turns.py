"""One works for all who wait: the waiting loop of group commits and of shared synchronisations."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from paragrad.errors import StoreError

_MOST = 256
_PATIENCE = 3


class Waiter:
    """Something that is to be done, by whoever has the turn.

    Attributes:
        done: whether it was, or failed.
        error: why it failed.
    """

    __slots__ = ("_ready", "done", "error")

    def __init__(self) -> None:
        self.done = False
        self.error: BaseException | None = None
        self._ready = threading.Lock()
        self._ready.acquire()

    def wait(self) -> None:
        """Until ``wake``."""
        self._ready.acquire()

    def wake(self) -> None:
        """It is done, or has the turn; several of these count as one."""
        with suppress(RuntimeError):  # it is awake
            self._ready.release()


class Turn:
    """Who has it does all that waits in one piece of work. Whoever comes meanwhile waits for the next one.

    Each waits for itself, not for a lock that all want: so nobody whose work is done waits for the work of others.
    """

    def __init__(self) -> None:
        self._busy = threading.Lock()
        self._waiting: deque[Any] = deque()
        self._served = 0

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def join(self, waiter: Waiter, work: Callable[[list[Any]], None]) -> None:
        """Come back when ``waiter`` is done.

        Args:
            waiter: new.
            work: does several at once; what it raises becomes the error of each.

        Raises:
            Exception: ``waiter.error``.
        """
        self._waiting.append(waiter)
        try:
            while not waiter.done:
                if self._busy.acquire(blocking=False):
                    self._lead(work)
                else:
                    waiter.wait()
        except BaseException:  # an interrupt: it does not take the turn along
            with suppress(ValueError):
                self._waiting.remove(waiter)
            self._hand_over()
            raise
        if waiter.error is not None:
            raise waiter.error

    def take(self) -> None:
        """Wait for the turn and keep it, without work."""
        self._busy.acquire()

    def leave(self) -> None:
        """Give it to one of those who wait."""
        self._busy.release()
        self._hand_over()

    def _lead(self, work: Callable[[list[Any]], None]) -> None:
        group: list[Any] = []
        try:
            if self._served > 1:
                self._gather()
            with suppress(IndexError):
                while len(group) < _MOST:
                    group.append(self._waiting.popleft())
            work(group)
        except BaseException as error:
            _fail(group, error)
            if not isinstance(error, Exception):
                raise
        finally:
            self._served = len(group)
            for each in group:
                each.done = True
                each.wake()
            self.leave()

    def _gather(self) -> None:
        """Let those who were just served come back, as threads in a loop do at once: one piece of work for all instead of two halves."""
        most = idle = 0
        while idle < _PATIENCE:
            time.sleep(0)
            found = len(self._waiting)
            most, idle = max(most, found), idle + 1 if found <= most else 0

    def _hand_over(self) -> None:
        with suppress(IndexError):  # nobody waits
            self._waiting[0].wake()


def _fail(group: list[Any], error: BaseException) -> None:
    """Nothing of this work is known to have happened."""
    if not isinstance(error, Exception):
        error = StoreError(f"the commit was interrupted ({type(error).__name__}); read again what holds")
    for each in group:
        each.error = error
