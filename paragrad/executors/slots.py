"""Slots: at most ``workers`` jobs run at once on reused daemon threads; who waits gives up its slot."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar
from queue import SimpleQueue
from time import monotonic
from typing import Any

from paragrad.context import Scope, scope
from paragrad.errors import UsageError
from paragrad.executors.base import Outcome
from paragrad.executors.loops import close_loop

IDLE_SECONDS = 10.0


class Job:
    """One call on its way. ``done`` and ``outcome`` are set by the worker, before ``finished`` hears of it."""

    __slots__ = ("call", "children", "context", "dropped", "finished", "holds", "outcome", "scope", "started", "thread")

    def __init__(self, call: Callable[[], Any], context: Context, scope: Scope | None, finished: SimpleQueue[Job]) -> None:
        self.call = call
        self.context = context
        self.scope = scope
        self.finished = finished
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

    def close(self) -> None:
        """Refuse every later effect of this job and of the jobs that it started."""
        left: list[Job] = [self]
        while left:
            job = left.pop()
            if job.scope is not None:
                job.scope.close()
            left.extend(job.children)


JOB: ContextVar[Job | None] = ContextVar("paragrad_job", default=None)


def _inside(job: Job) -> Any:
    JOB.set(job)
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

    @property
    def threads(self) -> int:
        """Threads alive now: running, waiting, abandoned and idle."""
        return self._threads

    def submit(self, job: Job) -> None:
        """Queue a job; it starts when a slot is free, in order of submission."""
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
        job = JOB.get()
        if job is None or job.thread != threading.get_ident() or not job.holds:
            yield
            return
        with self._lock:
            self._release(job)
        try:
            yield
        finally:
            self._resume(job)

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

    def _resume(self, job: Job) -> None:
        turn = threading.Lock()
        turn.acquire()
        with self._lock:
            if job.dropped:
                return
            self._resuming.append((job, turn))
            self._dispatch()
        turn.acquire()

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
            job.finished.put(job)
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
            if self._queue and not self._resuming and self._running < self.workers:
                worker.job = self._queue.popleft()
                worker.job.holds = True
                self._running += 1
                return "go"
            self._dispatch()
            if len(self._idle) >= self._keep:
                return "end"
            self._idle.append(worker)
            return "sleep"
