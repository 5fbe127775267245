"""Threads: the executor of one machine."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from contextvars import Context, copy_context
from functools import partial
from itertools import islice
from queue import Empty
from time import monotonic
from typing import Any, TypeVar

from paragrad.context import Scope, current_scope
from paragrad.errors import UsageError
from paragrad.executors.base import Outcome, stops
from paragrad.executors.jobs import Inbox, Job, current_job
from paragrad.executors.slots import Slots, waiting

T = TypeVar("T")
S = TypeVar("S")

Scopes = Callable[[int, S], Scope | None]


class Threads:
    """Runs items on at most ``workers`` reused daemon threads; see :class:`paragrad.executors.Executor`.

    A call from inside an item gives up that item's slot while it waits, so nested use never locks up.
    """

    def __init__(self, workers: int = 16) -> None:
        self.workers = workers
        self._slots = Slots(workers)

    @property
    def abandoned(self) -> int:
        """Items past their deadline whose function still runs."""
        return self._slots.abandoned

    @property
    def threads(self) -> int:
        """Threads alive now."""
        return self._slots.threads

    def map(
        self,
        fn: Callable[[S], T],
        items: Iterable[S],
        *,
        deadline: float | None = None,
        lookahead: int | None = None,
        scopes: Scopes[S] | None = None,
    ) -> Iterator[tuple[int, Outcome[T]]]:
        """``(index, outcome)`` in item order; default look-ahead: four items per worker."""
        ahead = 4 * self.workers if lookahead is None else lookahead
        if ahead < 1 or (deadline is not None and deadline <= 0):
            raise UsageError(f"lookahead={lookahead!r}, deadline={deadline!r}: both must be positive, or None")
        return self._map(_jobs(fn, items, copy_context(), scopes, Inbox()), ahead, deadline)

    def gather(self, calls: Sequence[Callable[[], Any]]) -> list[Any]:
        """The results of independent calls, in order; the first error in order is raised after all have run."""
        outcomes = [outcome for _, outcome in self.map(_call, calls, lookahead=max(1, len(calls)))]
        return [outcome.get() for outcome in outcomes]

    def waiting(self) -> AbstractContextManager[None]:
        """A block that waits for other work without occupying its item's slot."""
        return waiting()

    def close(self) -> None:
        """End idle threads now. Unclosed, they end by themselves after a while."""
        self._slots.close()

    def __enter__(self) -> Threads:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _map(self, jobs: Iterator[Job], ahead: int, deadline: float | None) -> Generator[tuple[int, Outcome[Any]], None, None]:
        pending: deque[Job] = deque()
        index = 0
        parent = current_job()
        try:
            while True:
                for job in islice(jobs, ahead - len(pending)):
                    pending.append(job)
                    if parent is not None:
                        parent.children.append(job)
                    self._slots.submit(job)
                if not pending:
                    return
                outcome = self._await(pending[0], index, deadline)
                done = pending.popleft()
                if parent is not None:
                    parent.children.remove(done)
                del done
                yield index, outcome
                index += 1
        finally:
            for job in reversed(pending):  # the unstarted ones first: no slot that falls free may start them
                self._slots.drop(job)
                if parent is not None:
                    parent.children.remove(job)

    def _await(self, job: Job, index: int, deadline: float | None) -> Outcome[Any]:
        """The outcome of ``job``; raises what stops the run as soon as any job of this map reports it."""
        inbox = job.inbox
        inbox.awaited = job
        try:
            while True:
                while not inbox.queue.empty():
                    _heed(inbox.queue.get_nowait())
                if job.outcome is not None:
                    _heed(job)
                    return job.outcome
                left = None
                if deadline is not None:
                    left = deadline if job.started is None else job.started + deadline - monotonic()
                    if left <= 0:
                        self._slots.drop(job)
                        return _late(index, deadline)
                with waiting():
                    heard = _hear(inbox, left)
                if heard is not None:
                    _heed(heard)
        finally:
            inbox.awaited = None


def _hear(inbox: Inbox, timeout: float | None) -> Job | None:
    try:
        return inbox.queue.get(timeout=timeout)
    except Empty:
        return None


def _heed(job: Job) -> None:
    """Raise what stops the whole run."""
    error = job.outcome.error if job.outcome is not None else None
    if error is not None and not job.dropped and stops(error):
        raise error


def _late(index: int, deadline: float) -> Outcome[Any]:
    error = TimeoutError(f"item {index} took longer than its deadline of {deadline:g} s and was abandoned; its later effects are refused")
    return Outcome(error=error, seconds=deadline, abandoned=True)


def _jobs(fn: Callable[[S], Any], items: Iterable[S], base: Context, scopes: Scopes[S] | None, inbox: Inbox) -> Iterator[Job]:
    """One job per item, made in item order, each in its own copy of the caller's context."""
    current = current_scope()
    parent = current.child() if scopes is None and current is not None else None
    for index, item in enumerate(items):
        own = scopes(index, item) if scopes is not None else (parent.child() if parent is not None else None)
        yield Job(partial(fn, item), base.copy(), own, inbox)


def _call(call: Callable[[], Any]) -> Any:
    return call()
