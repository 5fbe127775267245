"""Parameters of numbers: CPU time and memory of 10,000 of 8x8 floats, beside torch's where it is installed."""

from __future__ import annotations

import gc
import json
import math
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import paragrad as pg

COUNT, ROUNDS = 10_000, 7
SOURCE = np.zeros((8, 8), np.float32)


def each(make: Callable[[int], Any]) -> float:
    """CPU microseconds per object: the best of some rounds, everything kept until the round ends."""
    seconds = math.inf
    for _ in range(ROUNDS):
        gc.collect()
        started = time.process_time()
        kept = [make(i) for i in range(COUNT)]
        seconds = min(seconds, time.process_time() - started)
        del kept
    return seconds / COUNT * 1e6


def traced(make: Callable[[int], Any]) -> float:
    """Bytes per object that Python and numpy allocated."""
    make(0)
    gc.collect()
    tracemalloc.start()
    kept = [make(i) for i in range(COUNT)]
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return held / len(kept)


def resident() -> float:
    """Megabytes by which a fresh process grows for 10,000 Parameters."""
    program = """
import numpy as np, paragrad as pg
def rss():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6
source = np.zeros((8, 8), np.float32)
kept = [pg.Parameter(source) for _ in range(100)]
before = rss()
kept += [pg.Parameter(source, name=f"layer{i}.weight") for i in range(10_000)]
print(rss() - before)
"""
    return float(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout)


def makers() -> dict[str, Callable[[int], Any]]:
    """What is made."""
    lazy = pg.initializer("normal", (8, 8))
    one: Any = pg.Parameter(SOURCE)
    waiting: Any = pg.Parameter(lazy, name="w")
    return {
        "made": lambda i: pg.Parameter(SOURCE),
        "named": lambda i: pg.Parameter(SOURCE, name="layer.weight"),
        "deferred": lambda i: pg.Parameter(lazy),
        "normal": lambda i: pg.Parameter(lazy, name="layer.weight").init_data(),
        "clone": lambda i: one.clone(),
        "clone_deferred": lambda i: waiting.clone(),
        "set_data": lambda i: one.set_data(SOURCE),
    }


def torchs() -> dict[str, Callable[[int], Any]]:
    """The same in torch."""
    try:
        import torch
    except ImportError:
        return {}
    source = torch.zeros(8, 8)
    return {"torch_made": lambda i: torch.nn.Parameter(source.clone())}


def main() -> None:
    figures = {f"{name}_us": each(make) for name, make in {**makers(), **torchs()}.items()}
    figures |= {f"{name}_bytes": traced(makers()[name]) for name in ("made", "named", "deferred")}
    figures["resident_mb_of_10000"] = resident()
    targets = {"made_us": "5 us", "named_us": "5 us", "deferred_us": "2 us", "resident_mb_of_10000": "30 MB"}
    for name, value in figures.items():
        print(f"M parameters {name}: {value:.4g}{f' (target {targets[name]})' if name in targets else ''}")
    out = Path(__file__).parent / "out"
    out.mkdir(exist_ok=True)
    (out / "m_parameters.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
