"""Pool: threads for the operations of one program, and how to wait for one of them."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context
from threading import Lock
from typing import Any

from paragrad.context import Scope
from paragrad.executors.jobs import Inbox, Job
from paragrad.executors.slots import Slots, waiting

Told = Callable[[BaseException | None], Any]


class _Ear(Inbox):
    """Hears of one job, in the job's thread, once its slot is free again."""

    __slots__ = ("told",)

    def __init__(self, told: Told) -> None:
        self.told = told

    def tell(self, job: Job) -> None:
        """Say how it ended."""
        assert job.outcome is not None
        self.told(job.outcome.error)


class Pool:
    """At most ``workers`` calls at once. Who waits inside one gives up its slot, so waiting never locks up."""

    def __init__(self, workers: int) -> None:
        self._slots = Slots(workers)

    def start(self, call: Callable[[], Any], context: Context, scope: Scope | None, told: Told) -> None:
        """Run ``call`` as soon as there is a slot, in order of submission; then ``told(error or None)``."""
        self._slots.submit(Job(call, context, scope, _Ear(told)))

    def wait(self, turn: Lock) -> None:
        """Sleep until ``turn`` is released, without occupying the slot of the item this runs in."""
        with waiting():
            turn.acquire()

    def close(self) -> None:
        """Let idle threads end."""
        self._slots.close()
