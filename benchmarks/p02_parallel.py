"""P2, beside: what a pending call costs, and what overlaps under pg.parallel: independent calls, and calls on one resource."""

from __future__ import annotations

import json
import math
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paragrad as pg

CALLS, ROUNDS, SECONDS, WIDTH = 2_000, 7, 0.02, 8


def pending_call(effects: Any) -> float:
    """Microseconds of the calling thread per call, with nothing else running: everything hangs on one call that is held."""
    call = pg.bundle(lambda x: x, effects=effects)
    return _held(lambda first: call(first))


def pending_operator() -> float:
    """Microseconds per operator on a pending value."""
    return _held(lambda first: first + 1.0)


def _held(step: Callable[[Any], Any]) -> float:
    best = math.inf
    for _ in range(ROUNDS):
        gate = threading.Event()
        hold = pg.bundle(lambda x, gate=gate: gate.wait(60) and x, effects=())
        with pg.parallel(2):
            first = hold(1.0)
            started = time.process_time()
            kept = [step(first) for _ in range(CALLS)]
            best = min(best, (time.process_time() - started) / CALLS * 1e6)
            gate.set()
        del kept
    return best


def through_threads() -> float:
    """Microseconds per call that does nothing, from the call to the end of the block."""
    call = pg.bundle(lambda x: x, effects=())
    best = math.inf
    for _ in range(ROUNDS):
        started = time.perf_counter()
        with pg.parallel(4):
            for i in range(CALLS):
                call(i)
        best = min(best, (time.perf_counter() - started) / CALLS * 1e6)
    return best


def sleeps(effects: Any, parallel: bool) -> float:
    """Milliseconds for eight operations of 20 ms."""
    order: list[int] = []

    def work(i: int) -> None:
        order.append(i)
        time.sleep(SECONDS)

    call = pg.bundle(work, effects=effects)
    best = math.inf
    for _ in range(3):
        order.clear()
        started = time.perf_counter()
        if parallel:
            with pg.parallel(WIDTH):
                for i in range(WIDTH):
                    call(i)
        else:
            for i in range(WIDTH):
                call(i)
        best = min(best, (time.perf_counter() - started) * 1e3)
        if effects or not parallel:
            assert order == list(range(WIDTH)), order
    return best


def main() -> dict[str, float]:
    """Measure everything."""
    return {
        "pending_call_us": pending_call(()),
        "pending_call_one_resource_us": pending_call(pg.writes("r")),
        "pending_operator_us": pending_operator(),
        "call_through_threads_us": through_threads(),
        "eight_serial_ms": sleeps((), parallel=False),
        "eight_independent_ms": sleeps((), parallel=True),
        "eight_on_one_resource_ms": sleeps(pg.writes("r"), parallel=True),
    }


if __name__ == "__main__":
    found = {name: round(value, 2) for name, value in main().items()}
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(json.dumps(found), encoding="utf-8")
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
