"""What an object holds for one process: made anew in a process that got it through a fork, and let go before one."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from typing import Protocol


class Forked(Protocol):
    """Something that has to be at rest when its process forks."""

    def before_fork(self) -> None:
        """Come to rest, in bounded time."""

    def after_fork(self) -> None:
        """Go on, in the parent."""


_FORKED: dict[int, weakref.ref[Forked]] = {}
"""All that is to be told of forks; the entries go with their objects."""


class PerProcess:
    """Whether an object's locks, connections and files are this process's.

    In a child they are made anew by the first of its threads that comes, while the others wait: not by two at once, and nobody goes on
    with the parent's, which may be locked by a thread that does not exist here.
    """

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._locks: dict[int, threading.RLock] = {}

    def own(self) -> bool:
        """Whether they are."""
        return self._pid == os.getpid()

    def renew(self, make: Callable[[], None]) -> None:
        """Call ``make`` once in a new process; in the same one this does nothing."""
        pid = os.getpid()
        if self._pid == pid:
            return
        with self._locks.setdefault(pid, threading.RLock()):
            if self._pid != pid:
                make()
                self._pid = pid


def tell_of_forks(each: Forked) -> None:
    """Call its methods around every fork of this process, as long as it lives."""
    if not _FORKED and hasattr(os, "register_at_fork"):
        _FORKED[0] = weakref.ref(each)  # it is never removed: these calls are made once
        os.register_at_fork(before=_before_fork, after_in_parent=_after_fork)
    key = id(each)
    _FORKED[key] = weakref.ref(each, lambda _: _FORKED.pop(key, None))


def _all() -> list[Forked]:
    kept = [(key, made()) for key, made in list(_FORKED.items())]
    return [each for key, each in kept if key and each is not None]


def _before_fork() -> None:
    for each in _all():
        each.before_fork()


def _after_fork() -> None:
    for each in _all():
        each.after_fork()
