"""Slots: at most ``workers`` jobs run at once on reused daemon threads; who waits gives up its slot."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from paragrad.errors import UsageError
from paragrad.executors.jobs import Job, current_job
from paragrad.executors.loops import close_loop

IDLE_SECONDS = 10.0


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

    def park(self, job: Job) -> Callable[[threading.Lock], None] | None:
        """Give up the slot of ``job`` if another item can use it; see :func:`paragrad.context.park`.

        A single worker keeps its slot: what runs alone stays alone.
        """
        return partial(self._resume, job) if self.workers > 1 and self._gives_up(job) else None

    def leave(self, job: Job) -> Callable[[threading.Lock], None] | None:
        """The same whether or not another item can use the slot now: what is waited for may need it."""
        return partial(self._resume, job) if self._gives_up(job, always=True) else None

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


@contextmanager
def waiting() -> Iterator[None]:
    """Give up this thread's slot, whichever pool it is of, while the block waits for other work; take one again afterwards."""
    job = current_job()
    resume = job.slots.leave(job) if job is not None and job.slots is not None else None
    try:
        yield
    finally:
        if resume is not None:
            turn = threading.Lock()
            turn.acquire()
            resume(turn)
            turn.acquire()
