"""Work beside an event loop: each piece in a thread of its own, in the caller's context.

Not the loop's default executor: that one has a handful of threads, and a model call waits for seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import copy_context
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")


def in_thread(work: Callable[[], Any], name: str = "paragrad-aside") -> None:
    """Begin ``work`` in a daemon thread with a copy of this context."""
    Thread(target=copy_context().run, args=(work,), name=name, daemon=True).start()


async def aside(work: Callable[[], T]) -> T:
    """The result of blocking ``work``, without blocking the event loop.

    When the waiting task is cancelled the work goes on to its end, and what it says is dropped.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if answer.cancelled():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result: T | None = None
        failure: BaseException | None = None
        try:
            result = work()
        except StopIteration as error:  # no future takes one
            failure = RuntimeError(f"the program raised StopIteration: {error}")
        except BaseException as error:  # noqa: BLE001 (handed to the caller, who raises it)
            failure = error
        tell(loop, settle, result, failure)

    in_thread(run)
    return await answer


def tell(loop: asyncio.AbstractEventLoop, function: Callable[..., Any], *args: Any) -> None:
    """Call ``function`` in the loop's thread; nothing when the loop is over."""
    try:
        loop.call_soon_threadsafe(function, *args)
    except RuntimeError:  # closed: nobody waits any more
        return
