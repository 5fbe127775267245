"""One works for all who wait: the waiting loop of group commits and of shared synchronisations."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from itertools import repeat
from typing import Any

from paragrad.errors import StoreError, UsageError

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

    An interrupt may come between any two steps of a thread. So who leads is an entry in a dict, made or found in one step, which says
    afterwards whether the turn has to be given back; a lock that was just taken would not.
    """

    def __init__(self) -> None:
        self._leader: dict[str, int] = {}
        self._group: list[Any] = []
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
            UsageError: this thread is at work here, so it would wait for itself.
            Exception: ``waiter.error``.
        """
        me = threading.get_ident()
        if self._leader.get("") == me:
            raise UsageError(
                "a store was written in the middle of a write to it, by a signal handler, or by a space or a value that calls the store; "
                "write afterwards"
            )
        try:
            self._waiting.append(waiter)
            while not waiter.done:
                if self._leader.setdefault("", me) == me:
                    self._lead(work)
                else:
                    waiter.wait()
        except BaseException as error:  # an interrupt: it does not take the turn along
            self._give_up(waiter, me, error)
            raise
        if waiter.error is not None:
            raise waiter.error

    def take(self) -> None:
        """Wait for the turn and keep it, without work."""
        while self._leader.setdefault("", threading.get_ident()) != threading.get_ident():
            time.sleep(0.001)

    def leave(self) -> None:
        """Give it to one of those who wait."""
        self._leader.pop("", None)
        self._hand_over()

    def _lead(self, work: Callable[[list[Any]], None]) -> None:
        """Do what waits; the turn is this thread's, and afterwards it is not."""
        if self._served > 1:
            self._gather()
        group = self._group
        with suppress(IndexError):  # no more wait
            group.extend(map(deque.popleft, repeat(self._waiting, _MOST)))  # no interrupt finds one in neither
        self._served = len(group)
        if group:  # else another served all
            try:
                work(group)
            except Exception as error:  # noqa: BLE001 - each gets it
                _fail(group, error)
        self._finish()

    def _finish(self) -> None:
        """Let everybody of the group go, then the turn; once more of it does no harm."""
        for each in self._group:
            each.done = True
            each.wake()
        self._group = []
        self.leave()

    def _give_up(self, waiter: Waiter, me: int, error: BaseException) -> None:
        """An interrupt leaves nobody waiting for ever."""
        with suppress(ValueError):
            self._waiting.remove(waiter)
        if self._leader.get("") == me:
            _fail([each for each in self._group if not each.done], _interrupted(error))
            self._finish()
        else:
            self._hand_over()

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


def _interrupted(error: BaseException) -> StoreError:
    """Nothing of this work is known to have happened."""
    return StoreError(f"the commit was interrupted ({type(error).__name__}); read again what holds")


def _fail(group: list[Any], error: Exception) -> None:
    for each in group:
        each.error = error
