"""Coroutines from code without colour: one event loop per thread, kept for its next coroutine."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from contextvars import copy_context
from typing import Any, TypeVar

T = TypeVar("T")


class _Loop(threading.local):
    """This thread's runner; asyncio objects are bound to their thread, which no ContextVar can say."""

    runner: asyncio.Runner | None = None


_LOOP = _Loop()


def run_coroutine(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run ``coroutine`` to its end on this thread's loop and return its result.

    Clients that an async program keeps stay usable, because the loop stays. Inside a running loop (a
    notebook) the coroutine runs on a thread of its own. ContextVars are those of the caller.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        if _LOOP.runner is None:
            _LOOP.runner = asyncio.Runner()
        return _LOOP.runner.run(coroutine, context=copy_context())
    return _elsewhere(coroutine)


def close_loop() -> None:
    """Close this thread's loop, if it has one; called by a worker that ends."""
    runner, _LOOP.runner = _LOOP.runner, None
    if runner is not None:
        runner.close()


def _elsewhere(coroutine: Coroutine[Any, Any, T]) -> T:
    answer: Future[T] = Future()
    context = copy_context()

    def work() -> None:
        try:
            answer.set_result(context.run(asyncio.run, coroutine))
        except BaseException as error:  # noqa: BLE001 (handed to the caller, who raises it)
            answer.set_exception(error)

    thread = threading.Thread(target=work, name="paragrad-loop", daemon=True)
    thread.start()
    thread.join()
    return answer.result()
