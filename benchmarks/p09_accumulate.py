"""P9: threads that add gradients of 10⁶ floats to one parameter, beside a bare locked in-place add.

Both sides alternate in short rounds; the ratio is the median of the rounds' ratios. Lost updates are counted in every round.
Beside it the processor time per increment, which others on the machine disturb less, and what it allows per-thread sums at
best: adds without any lock, each thread into an array of its own.
"""

from __future__ import annotations

import json
import statistics
import sys
import threading
import time
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

import paragrad as pg
from paragrad.stores import MemoryStore

SIZE, PUSHES, ROUNDS = 1_000_000, 64, 9
THREADS = (2, 4, 8)


def rate(push: Callable[[], None], workers: int) -> tuple[float, float]:
    """Increments per second of all threads together, and processor microseconds per increment."""
    start = threading.Barrier(workers + 1)

    def work() -> None:
        start.wait()
        for _ in range(PUSHES // workers):
            push()

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    start.wait()
    started, busy = time.perf_counter(), time.process_time()
    for thread in threads:
        thread.join()
    return PUSHES / (time.perf_counter() - started), (time.process_time() - busy) / PUSHES * 1e6


class Bare:
    """A buffer and a lock."""

    def __init__(self) -> None:
        self.buffer, self.lock = np.zeros(SIZE, "float32"), threading.Lock()

    def push(self, delta: Any) -> None:
        """One locked add."""
        with self.lock:
            np.add(self.buffer, delta, out=self.buffer)


class Apart:
    """An array per thread and no lock: the most that per-thread sums could reach."""

    def __init__(self) -> None:
        self.local = threading.local()
        self.buffers = cycle([np.ones(SIZE, "float32") for _ in range(max(THREADS))])

    def push(self, delta: Any) -> None:
        """One add."""
        buffer = getattr(self.local, "buffer", None)
        if buffer is None:
            buffer = self.local.buffer = next(self.buffers)
        np.add(buffer, delta, out=buffer)


class Store:
    """A memory store with one parameter.

    Args:
        flat: whether an optimizer has laid it out.
    """

    def __init__(self, flat: bool = False, **options: Any) -> None:
        self.store = MemoryStore(**options)
        self.store.init_parameter("w", np.zeros(SIZE, "float32"))
        if flat:
            pg.apply_update(pg.init_optimizer(pg.rules.SGD(0.1), ["w"], self.store))

    def push(self, delta: Any) -> None:
        """One increment."""
        self.store.increment_gradient("w", delta)

    @property
    def buffer(self) -> Any:
        """The sum so far."""
        return self.store.get_gradient("w")


def measure(make: Callable[[], Any], workers: int) -> dict[str, float]:
    """Median rates of both sides and their median ratio; every increment must be there."""
    delta = np.ones(SIZE, "float32")
    ours, bare = make(), Bare()
    pairs = []
    for side in (ours, bare):
        side.push(delta)
    for _ in range(ROUNDS):
        pairs.append((rate(lambda: ours.push(delta), workers), rate(lambda: bare.push(delta), workers)))
    wanted = 1 + ROUNDS * (PUSHES // workers) * workers
    lost = {name: int(np.sum(side.buffer != wanted)) for name, side in (("ours", ours), ("bare", bare))}
    if lost["ours"]:
        raise SystemExit(f"{lost['ours']} elements lost increments")
    return {
        "ours": statistics.median(a for (a, _), _ in pairs),
        "bare": statistics.median(b for _, (b, _) in pairs),
        "ratio": statistics.median(a / b for (a, _), (b, _) in pairs),
        "busy": statistics.median(a for (_, a), _ in pairs),
        "bare busy": statistics.median(b for _, (_, b) in pairs),
    }


def ceiling(workers: int) -> float:
    """How much faster adds without a lock into an array per thread are than locked ones into one."""
    delta, bare, apart = np.ones(SIZE, "float32"), Bare(), Apart()
    found = []
    for _ in range(ROUNDS):
        found.append(rate(lambda: apart.push(delta), workers)[0] / rate(lambda: bare.push(delta), workers)[0])
    return statistics.median(found)


def push_all(store: MemoryStore, parts: list[Any]) -> None:
    """One thread's increments."""
    for part in parts:
        store.increment_gradient("w", part)


def patterns() -> int:
    """Bit patterns of 40 runs with pushes in any order."""
    parts = [np.random.default_rng(n).normal(size=1000) * 10.0 ** (n % 9 - 4) for n in range(32)]
    found = set()
    for _ in range(40):
        store = MemoryStore(reproducible=True)
        store.init_parameter("w", np.zeros(1000))
        threads = [threading.Thread(target=push_all, args=(store, parts[k::4])) for k in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        found.add(store.get_gradient("w").tobytes())
    return len(found)


def main() -> int:
    """Print and write the figures."""
    modes: dict[str, tuple[Callable[[], Any], str]] = {
        "default": (Store, "≥ 0.95"),
        "default, laid out by an optimizer": (lambda: Store(flat=True), "≥ 0.95"),
        "per thread (8 sums)": (lambda: Store(stripes=8), "> 1 at T ≥ 4, goal 1.8"),
    }
    figures: dict[str, Any] = {}
    for name, (make, target) in modes.items():
        for workers in THREADS:
            found = figures[f"{name} {workers}"] = measure(make, workers)
            rates = f"bare {found['bare']:.0f}/s, {found['bare busy']:.0f} µs busy each; ours {found['ours']:.0f}/s, {found['busy']:.0f} µs; 0 lost"
            if "per thread" in name:
                most = figures[f"ceiling {workers}"] = ceiling(workers)
                rates += f"; without any lock {most:.2f}"
            print(f"{name}, {workers} threads, against a locked add: {found['ratio']:.2f} (target {target}; {rates})")
    figures["patterns"] = patterns()
    print(f"reproducible mode, bit patterns in 40 runs: {figures['patterns']} (target 1)")
    out = Path(__file__).parent / "out"
    out.mkdir(exist_ok=True)
    (out / "p09.json").write_text(json.dumps({"figures": figures}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
