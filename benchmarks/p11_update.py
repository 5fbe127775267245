"""P11: durable update of one of 64 tensors of 1 GiB, in a FileStore; beside one bare file of that size, and beside rewriting all.

The three alternate, so that a noisy machine is noisy for all of them. The bare file: temporary file, fsync, rename, fsync of the directory.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy

from paragrad import stores

TENSORS, ELEMENTS, ROUNDS, TARGET_MS = 64, 2 << 20, 15, 25.0


def bare(path: Path, arrays: list[Any]) -> None:
    """Write arrays into one file, durably."""
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        for array in arrays:
            file.write(memoryview(array).cast("B"))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    fd = os.open(path.parent, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)


def timed(work: Any) -> float:
    """Milliseconds."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1e3


def measure(folder: Path) -> dict[str, float]:
    """Median milliseconds of each side."""
    source = numpy.random.default_rng(0)
    arrays = [source.random(ELEMENTS) for _ in range(TENSORS)]
    store = stores.open(f"file://{folder / 'x'}")
    for place, array in enumerate(arrays):
        store.init_parameter(f"w{place}", array)
    before = _size(folder / "x")
    ours, one, read = [], [], []
    for n in range(ROUNDS):
        value, name = arrays[n % TENSORS] + n, f"w{n % TENSORS}"
        ours.append(timed(lambda value=value, name=name: store.set_parameter_value(name, value)))
        one.append(timed(lambda value=value: bare(folder / "one", [value])))
        read.append(timed(lambda name=name: store.get_parameter_value(name)))
    grown = (_size(folder / "x") - before) / ROUNDS
    found = {"update": statistics.median(ours), "fastest": min(ours), "bare": statistics.median(one), "read": statistics.median(read)}
    store.close()
    return {**found, "whole": timed(lambda: bare(folder / "whole", arrays)), "written": grown}


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> int:
    """Print and write the figures."""
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder))
    peers = f"bare file of 16 MiB {found['bare']:.0f} ms, rewriting all {found['whole']:.0f} ms"
    print(
        f"durable update of one of 64 tensors of 1 GiB: {found['update']:.0f} ms, fastest {found['fastest']:.0f} (target ≤ {TARGET_MS:.0f}; {peers})"
    )
    print(f"such an update over writing the bare file: {found['update'] / found['bare']:.2f} (no target; both are durable)")
    print(f"bytes written by such an update: {found['written'] / 2**20:.2f} MiB (the tensor has 16)")
    print(f"verified read of that tensor: {found['read']:.0f} ms (no target)")
    out = Path(__file__).parent / "out"
    out.mkdir(exist_ok=True)
    (out / "p11_update.json").write_text(json.dumps(found, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
