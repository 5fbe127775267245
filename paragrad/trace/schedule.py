"""Schedule: tasks in program order, each begun by the thread that ends the last one before it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from contextvars import Context, copy_context
from functools import partial
from threading import Lock, get_ident
from typing import Any, Protocol

from paragrad.context import Scope
from paragrad.errors import BudgetExceeded, Diverged, JournalError
from paragrad.trace.chains import Chains
from paragrad.trace.state import STATE
from paragrad.trace.tasks import Task
from paragrad.trace.telling import Telling

STOPS = (BudgetExceeded, Diverged, JournalError)


class Pool(Protocol):
    """Where calls run."""

    def start(self, call: Callable[[], Any], context: Context, scope: Scope | None, told: Callable[[BaseException | None], Any]) -> None:
        """Run ``call`` in ``context`` and ``scope``, some time, in some thread; then ``told(error or None)``."""

    def wait(self, turn: Lock) -> None:
        """Return once ``turn`` could be acquired."""

    def close(self) -> None:
        """Nothing more will come."""


class Schedule:
    """The tasks of one block.

    Args:
        pool: where they run.
        outer: the block around it in the same program, whose order it keeps.

    Attributes:
        lock: guards every task. ``chains``: the order per resource.
    """

    def __init__(self, pool: Pool, outer: Schedule | None = None) -> None:
        self.pool = pool
        self._outer = outer
        self.lock: Lock = Lock() if outer is None else outer.lock
        self.chains: Chains = Chains() if outer is None else outer.chains
        self.telling = Telling()
        self._thread = get_ident()
        self._count = 0
        self._open: dict[int, Task] = {}
        self._failed: dict[int, BaseException] = {}
        self._read: set[int] = set()
        self._stopped: BaseException | None = None

    def here(self) -> bool:
        """Whether the calling thread is the program's own: in others (their owner brought them) calls run as they are."""
        return get_ident() == self._thread

    def submit(self, task: Task, before: Iterable[Task]) -> None:
        """Begin ``task`` once what it needs and what comes before it is done."""
        task.state = self.telling.state_of(STATE.get(), task.light)
        task.context = copy_context()
        with self.lock:
            self._open[task.number] = task
        for other in dict.fromkeys((*task.needs, *before)):
            with other.group.lock:
                if not other.done:
                    other.followers.append(task)
                    task.blocked += 1
        with self.lock:
            task.blocked -= 1
            ready = task.blocked == 0
        if ready:
            self._advance([task])

    def _advance(self, ready: Iterable[Task]) -> None:
        """Begin tasks that can be, and go on with what the light ones make possible."""
        queue = deque(ready)
        while queue:
            task = queue.popleft()
            error = task.inherit()
            if error is None and not task.light:
                assert task.context is not None
                task.group.pool.start(task.run, task.context, task.scope, partial(self._told, task))
                continue
            if error is None:
                error = _run_here(task)
            queue.extend(self._ended(task, error))

    def _told(self, task: Task, error: BaseException | None) -> None:
        self._advance(self._ended(task, error))

    def _ended(self, task: Task, error: BaseException | None) -> list[Task]:
        """Note the end of ``task``; the tasks that can begin now."""
        group = task.group
        with group.lock:
            task.ended(error)
            del group._open[task.number]
            if error is not None:
                group._failed[task.number] = error
                if stops(error) and group._stopped is None:
                    group._stopped = error
            followers, task.followers = task.followers, []
            waiters, task.waiters = task.waiters, []
        ready = []
        for other in followers:
            with other.group.lock:
                other.blocked -= 1
                if other.blocked == 0:
                    ready.append(other)
        for turn in waiters:
            turn.release()
        return ready

    # --- waiting and leaving -----------------------------------------------------------------------

    def wait(self, task: Task) -> None:
        """Return once ``task`` is done.

        Raises:
            what it raised, which counts as read from now on.
        """
        self._await(task)
        if task.error is not None:
            self._read.add(id(task.error))
            raise task.error

    def _await(self, task: Task) -> None:
        turn = Lock()
        turn.acquire()
        with self.lock:
            if task.done:
                return
            task.waiters.append(turn)
        self.pool.wait(turn)

    def finish(self) -> None:
        """Wait for everything."""
        while True:
            with self.lock:
                task = next(iter(self._open.values()), None)
            if task is None:
                return
            self._await(task)

    def settled(self) -> None:
        """Wait for everything begun, here and in the blocks around this one."""
        self.finish()
        if self._outer is not None:
            self._outer.settled()

    def forget(self) -> None:
        """Let go of everything but the errors: handles that nobody has read yet hold on to their block."""
        if self._outer is None:
            self.chains.writer.clear()
            self.chains.readers.clear()
        self.pool.close()

    def unread(self) -> None:
        """Raise the first error, in program order, that nobody has read."""
        for number in sorted(self._failed):
            if id(self._failed[number]) not in self._read:
                raise self._failed[number]

    def stop(self, error: BaseException) -> None:
        """Let nothing more begin, and refuse the later effects of what runs."""
        with self.lock:
            self._stopped = self._stopped or error
            running = list(self._open.values())
        for scope in [task.scope for task in running]:
            if scope is not None:
                scope.close()

    def refuse_stopped(self, task: Task) -> None:
        """Raise what stopped the block before ``task`` began."""
        error = self._stopped
        if isinstance(error, Exception):
            raise error
        if error is not None:
            raise RuntimeError(f"{task.title} was not run: its block was left by {type(error).__name__}")


def stops(error: BaseException) -> bool:
    """Whether ``error`` ends the whole run: going on would pay for nothing."""
    return isinstance(error, STOPS) or not isinstance(error, Exception)


def _run_here(task: Task) -> BaseException | None:
    """Run a light task in this thread; its error is its outcome."""
    assert task.context is not None
    try:
        task.context.run(task.run)
    except BaseException as error:  # noqa: BLE001 (raised where the result is read)
        error.__traceback__ = None
        return error
    return None
