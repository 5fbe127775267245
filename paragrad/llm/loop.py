"""LoopThread: one private event loop, so that a call can really be cut off at its deadline.

A timeout on a socket bounds one read, not an answer that drips; cancelling a coroutine bounds both,
closes the connection, and works under a notebook's or a web server's own loop.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Coroutine
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

T = TypeVar("T")
Closer = Callable[[], Coroutine[Any, Any, None]]


class LoopThread:
    """Runs coroutines from any thread; started at first use, again after a fork, stopped with its owner."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._loop: AbstractEventLoop | None = None
        self._pid = 0
        self.generation = 0  # changes with every new loop: what was bound to an old one is of no use
        self._closers: list[Closer] = []
        self._stop: weakref.finalize[Any, Any] | None = None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The coroutine's result; it is cancelled when the waiting thread is interrupted."""
        import asyncio

        future = asyncio.run_coroutine_threadsafe(work, self.start())
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def start(self) -> AbstractEventLoop:
        """The running loop."""
        import asyncio

        with self._lock:
            if self._loop is None or self._pid != os.getpid():
                loop, self._closers = asyncio.new_event_loop(), []
                thread = Thread(target=_serve, args=(loop, self._closers), name="paragrad-http", daemon=True)
                thread.start()
                self._loop, self._pid = loop, os.getpid()
                self.generation += 1
                self._stop = weakref.finalize(self, _stop, loop, thread, self._pid)
            return self._loop

    def at_end(self, closer: Closer) -> None:
        """Await ``closer()`` in the loop before it stops."""
        self._closers.append(closer)

    def close(self) -> None:
        """Stop the loop and its thread."""
        with self._lock:
            self._loop = None
            if self._stop is not None:
                self._stop()


def _serve(loop: AbstractEventLoop, closers: list[Closer]) -> None:
    loop.run_forever()
    loop.run_until_complete(_cancel_all())
    for closer in closers:
        loop.run_until_complete(closer())
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


async def _cancel_all() -> None:
    import asyncio

    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def _stop(loop: AbstractEventLoop, thread: Thread, pid: int) -> None:
    if pid != os.getpid() or loop.is_closed():
        return
    loop.call_soon_threadsafe(loop.stop)
    thread.join(timeout=2.0)
