"""Jobs: one call on its way through a pool, and where its consumer hears of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import Context
from queue import SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, Any

from paragrad.context import WORKER, Scope, scope
from paragrad.executors.base import Outcome

if TYPE_CHECKING:
    from paragrad.executors.slots import Slots


class Inbox:
    """Where the consumer of some jobs hears of the one it waits for, and of every error; the others it finds done."""

    __slots__ = ("awaited", "queue")

    def __init__(self) -> None:
        self.awaited: Job | None = None
        self.queue: SimpleQueue[Job] = SimpleQueue()

    def tell(self, job: Job) -> None:
        """``job`` has its outcome."""
        if job is self.awaited or (job.outcome is not None and job.outcome.error is not None):
            self.queue.put(job)


class Job:
    """One call on its way. ``outcome`` is set by the worker, before ``inbox`` hears of it."""

    __slots__ = ("call", "children", "context", "dropped", "holds", "inbox", "outcome", "scope", "slots", "started", "thread")

    def __init__(self, call: Callable[[], Any], context: Context, scope: Scope | None, inbox: Inbox) -> None:
        self.call = call
        self.context = context
        self.scope = scope
        self.inbox = inbox
        self.slots: Slots | None = None
        self.outcome: Outcome[Any] | None = None
        self.started: float | None = None
        self.thread: int | None = None
        self.children: list[Job] = []
        self.holds = False
        self.dropped = False

    def run(self) -> None:
        """Make the call inside its context and scope; never raises."""
        self.started = started = monotonic()
        self.thread = threading.get_ident()
        try:
            value = self.context.run(_inside, self)
        except BaseException as error:  # noqa: BLE001 (an item's error is its outcome; the consumer decides)
            trace = error.__traceback__
            error.__traceback__ = trace.tb_next if trace else None  # no frame of ours: it would hold this job
            self.outcome = Outcome(error=error, seconds=monotonic() - started)
        else:
            self.outcome = Outcome(value, seconds=monotonic() - started)
        self.thread = None

    def park(self) -> Callable[[threading.Lock], None] | None:
        """See :func:`paragrad.context.park`."""
        return None if self.slots is None else self.slots.park(self)

    def close(self) -> None:
        """Refuse every later effect of this job and of the jobs that it started."""
        left: list[Job] = [self]
        while left:
            job = left.pop()
            if job.scope is not None:
                job.scope.close()
            left.extend(job.children)


def current_job() -> Job | None:
    """The job in whose context this runs; perhaps in a thread of its own."""
    worker = WORKER.get()
    return worker if isinstance(worker, Job) else None


def _inside(job: Job) -> Any:
    WORKER.set(job)
    with scope(job.scope):
        return job.call()
