"""Coroutines from plain code: one loop per thread, the caller's context, also inside a running loop."""

import asyncio
from contextvars import ContextVar

import pytest

from paragrad.executors import Threads, run_coroutine

MARK: ContextVar[str] = ContextVar("loop_mark", default="none")


async def loop_and_mark():
    await asyncio.sleep(0)
    return id(asyncio.get_running_loop()), MARK.get()


def test_one_loop_per_thread_and_the_callers_context():
    with Threads(1) as pool:

        def work(item):
            MARK.set(f"item {item}")
            return run_coroutine(loop_and_mark())

        found = [outcome.get() for _, outcome in pool.map(work, range(3))]
    assert len({loop for loop, _ in found}) == 1
    assert [mark for _, mark in found] == ["item 0", "item 1", "item 2"]


def test_inside_a_running_loop():
    async def notebook():
        token = MARK.set("cell")
        try:
            return run_coroutine(loop_and_mark())[1]
        finally:
            MARK.reset(token)

    assert asyncio.run(notebook()) == "cell"


def test_errors_pass():
    async def fails():
        raise ValueError("inside")

    async def outer():
        return run_coroutine(fails())

    with Threads(1) as pool:
        for coroutine in (fails, outer):
            with pytest.raises(ValueError, match="inside"):
                pool.gather([lambda c=coroutine: run_coroutine(c())])
