"""Flow: calls that make other calls possible, each begun as soon as it can be."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import copy_context
from typing import Any

from paragrad.context import Scope, scope
from paragrad.executors.base import stops
from paragrad.executors.jobs import Inbox, Job, current_job
from paragrad.executors.slots import Slots, waiting

Task = tuple[int, Callable[[], Any], Scope | None]
"""A number that says what comes first, a call, and the scope it runs in."""


class _Everything(Inbox):
    """Hears of every job."""

    __slots__ = ()

    def tell(self, job: Job) -> None:
        self.queue.put(job)


class Flow:
    """Runs tasks on at most ``workers`` threads until none is left.

    Args:
        follow: told a task's number and result, in the caller's thread, as they come; gives the tasks that are possible now.
            Whatever it must do in an order, it orders by the numbers.
    """

    def __init__(self, follow: Callable[[int, Any], Iterable[Task]], workers: int) -> None:
        self.follow = follow
        self._slots = Slots(workers)
        self._inbox = _Everything()
        self._running: dict[Job, int] = {}
        self._failed: dict[int, BaseException] = {}

    def run(self, tasks: Iterable[Task]) -> None:
        """Run everything that can be.

        Raises:
            the error of the failed task with the smallest number, after all that could run have;
            BudgetExceeded, Diverged, JournalError, KeyboardInterrupt: at once.
        """
        ready = list(tasks)
        try:
            while ready or self._running:
                if len(ready) == 1 and not self._running:
                    ready = self._alone(*ready[0])
                    continue
                for task in ready:
                    self._begin(*task)
                with waiting():
                    done = self._inbox.queue.get()
                ready = self._finished(done)
        finally:
            for job in list(self._running):
                self._slots.drop(job)
                self._forget(job)
            self._slots.close()
        if self._failed:
            raise self._failed[min(self._failed)]

    def _begin(self, number: int, call: Callable[[], Any], within: Scope | None) -> None:
        job = Job(call, copy_context(), within, self._inbox)
        parent = current_job()
        if parent is not None:
            parent.children.append(job)
        self._running[job] = number
        self._slots.submit(job)

    def _alone(self, number: int, call: Callable[[], Any], within: Scope | None) -> list[Task]:
        """A task beside which nothing runs needs no thread."""
        try:
            with scope(within):
                result = call()
        except Exception as error:
            if stops(error):
                raise
            self._failed[number] = error
            return []
        return list(self.follow(number, result))

    def _finished(self, job: Job) -> list[Task]:
        number, outcome = self._forget(job), job.outcome
        assert outcome is not None
        if outcome.error is None:
            return list(self.follow(number, outcome.value))
        if stops(outcome.error):
            raise outcome.error
        self._failed[number] = outcome.error
        return []

    def _forget(self, job: Job) -> int:
        parent = current_job()
        if parent is not None:
            parent.children.remove(job)
        return self._running.pop(job)
