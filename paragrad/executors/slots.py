"""Slots: at most ``workers`` jobs run at once on reused daemon threads; who waits gives up its slot."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context
from functools import partial
from queue import SimpleQueue
from time import monotonic
from typing import Any

from paragrad.context import WORKER, Scope, scope
from paragrad.errors import UsageError
from paragrad.executors.base import Outcome
from paragrad.executors.loops import close_loop

IDLE_SECONDS = 10.0


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


class _Worker:
    """One thread and the lock it sleeps on."""

    __slots__ = ("job", "wake")

    def __init__(self) -> None:
        self.job: Job | None = None
        self.wake = threading.Lock()
        self.wake.acquire()


class Slots:
    """A pool of ``workers`` slots. Threads end after ten idle seconds, so a forgotten pool leaves nothing."""

    def __init__(self, workers: int) -> None:
        if workers < 1:
            raise UsageError(f"workers={workers!r}: at least one is needed")
        self.workers = workers
        self.abandoned = 0
        self._lock = threading.Lock()
        self._queue: deque[Job] = deque()
        self._resuming: deque[tuple[Job, threading.Lock]] = deque()
        self._idle: list[_Worker] = []
        self._running = 0
        self._threads = 0
        self._keep = workers
        self._spare = max(2, workers // 4)  # items begun beyond the slots, while others wait for the disk
        self._fair = False

    @property
    def threads(self) -> int:
        """Threads alive now: running, waiting, abandoned and idle."""
        return self._threads

    def submit(self, job: Job) -> None:
        """Queue a job; it starts when a slot is free, in order of submission."""
        job.slots = self
        with self._lock:
            self._keep = self.workers
            self._queue.append(job)
            self._dispatch()

    def drop(self, job: Job) -> None:
        """Let go of a job: unstarted it never runs, running it loses its slot and its later effects."""
        job.close()
        with self._lock:
            if job.dropped or job.outcome is not None:
                return
            job.dropped = True
            if job.started is None and job in self._queue:
                self._queue.remove(job)
                return
            self.abandoned += 1
            self._release(job)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Give up this thread's slot while the block waits for other work; take one again afterwards."""
        job = current_job()
        if job is None or job.slots is not self or not self._gives_up(job, always=True):
            yield
            return
        try:
            yield
        finally:
            turn = threading.Lock()
            turn.acquire()
            self._resume(job, turn)
            turn.acquire()

    def park(self, job: Job) -> Callable[[threading.Lock], None] | None:
        """Give up the slot of ``job`` if another item can use it; see :func:`paragrad.context.park`.

        A single worker keeps its slot: what runs alone stays alone.
        """
        return partial(self._resume, job) if self.workers > 1 and self._gives_up(job) else None

    def _gives_up(self, job: Job, always: bool = False) -> bool:
        """Take the slot from the calling thread; False when it has none, or nobody to give it to."""
        if job.thread != threading.get_ident() or not job.holds:
            return False
        with self._lock:
            wanted = self._resuming or (self._queue and (self._idle or self._threads < self.workers + self._spare))
            if not wanted and not always:
                return False
            self._release(job)
        return True

    def close(self) -> None:
        """Let idle threads end now; running ones end after their job."""
        with self._lock:
            self._keep = 0  # until the next job is submitted
            idle, self._idle = self._idle, []
            for worker in idle:
                worker.wake.release()

    def _release(self, job: Job) -> None:
        if job.holds:
            job.holds = False
            self._running -= 1
            self._dispatch()

    def _resume(self, job: Job, turn: threading.Lock) -> None:
        """Release ``turn`` once there is a slot for ``job``; at once when it was dropped."""
        with self._lock:
            if job.dropped:
                turn.release()
                return
            self._resuming.append((job, turn))
            self._dispatch()

    def _dispatch(self) -> None:
        """Fill free slots (under the lock): first with those who resume, then from the queue."""
        while self._running < self.workers:
            if self._resuming:
                job, turn = self._resuming.popleft()
                job.holds = not job.dropped
                self._running += job.holds
                turn.release()
            elif self._queue:
                self._start(self._queue.popleft())
            else:
                return

    def _start(self, job: Job) -> None:
        job.holds = True
        if self._idle:
            worker = self._idle.pop()
            worker.job = job
            worker.wake.release()
        else:
            worker = _Worker()
            worker.job = job
            threading.Thread(target=self._work, args=(worker,), name="paragrad-worker", daemon=True).start()
            self._threads += 1
        self._running += 1

    def _work(self, worker: _Worker) -> None:
        while (job := worker.job) is not None:
            worker.job = None
            if not job.dropped:
                job.run()
            again = self._finish(worker, job)
            job.inbox.tell(job)
            del job
            if again == "sleep" and not worker.wake.acquire(timeout=IDLE_SECONDS):
                self._retire(worker)
        close_loop()
        with self._lock:
            self._threads -= 1

    def _retire(self, worker: _Worker) -> None:
        """Take an idle worker off the list, unless it was woken at this very moment."""
        with self._lock:
            if worker in self._idle:
                self._idle.remove(worker)
            else:
                worker.wake.acquire()

    def _finish(self, worker: _Worker, job: Job) -> str:
        """Give the slot back; the worker goes on with the next job at once when there is one."""
        with self._lock:
            if job.dropped:
                self.abandoned -= 1
            if job.holds:
                job.holds = False
                self._running -= 1
            self._fair = not self._fair
            if self._queue and (self._fair or not self._resuming) and self._running < self.workers:
                worker.job = self._queue.popleft()
                worker.job.holds = True
                self._running += 1
                return "go"
            self._dispatch()
            if len(self._idle) >= self._keep:
                return "end"
            self._idle.append(worker)
            return "sleep"
