"""P11: checkpoints of 10,000 small arrays and of 64 large ones, beside safetensors and torch.

``python -m benchmarks.p11_checkpoints [MiB]``: the large case has 256 MiB unless another size is given. All saves are equally
durable: written aside, synced, renamed, the folder synced. All sides alternate, round by round, and the best round counts.
``save_unsynced`` leaves the sync out on our side and on theirs. ``bare`` writes the same number of bytes from one buffer, durably.
"""

from __future__ import annotations

import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import paragrad as pg

ROUNDS = {"small": 5, "large": 3}
Work = Callable[[], Any]


def best(works: dict[str, Work], rounds: int) -> dict[str, float]:
    """Seconds of each, in turn."""
    found = dict.fromkeys(works, math.inf)
    for _ in range(rounds):
        for name, work in works.items():
            started = time.perf_counter()
            work()
            found[name] = min(found[name], time.perf_counter() - started)
    return found


def replacing(write: Callable[[Path], Any], path: Path, sync: bool = True) -> Work:
    """A library's own save, made as lasting as ours: another name, synced, renamed, the folder synced."""

    def save() -> None:
        aside = path.with_suffix(".aside")
        write(aside)
        for place in (aside, path.parent) if sync else ():
            handle = os.open(place, os.O_RDONLY)
            os.fsync(handle)
            os.close(handle)
        aside.replace(path)

    return save


def unsynced(save: Work) -> Work:
    """A save of ours without the sync."""

    def work() -> None:
        real, os.fsync = os.fsync, lambda fd: None
        try:
            save()
        finally:
            os.fsync = real

    return work


def others(arrays: dict[str, Any], folder: Path) -> dict[str, Work]:
    """Saves and loads of the neighbours that are installed."""
    found: dict[str, Work] = {}
    try:
        from safetensors.numpy import load_file, save_file
    except ImportError:
        return found
    path = folder / "safetensors"
    found["safetensors_save"] = replacing(lambda aside: save_file(arrays, aside), path)
    found["safetensors_save_unsynced"] = replacing(lambda aside: save_file(arrays, aside), path, sync=False)
    found["safetensors_load"] = lambda: load_file(path)
    try:
        import torch
    except ImportError:
        return found
    tensors = {name: torch.tensor(np.array(array)) for name, array in arrays.items()}
    other = folder / "torch"
    found["torch_save"] = replacing(lambda aside: torch.save(tensors, aside), other)
    found["torch_load"] = lambda: torch.load(other)
    return found


def case(name: str, parameters: dict[str, Any], folder: Path) -> dict[str, float]:
    """Seconds of save and load, ours first."""
    path = folder / "ours"
    save: Work = lambda: pg.checkpoints.save(parameters, path)  # noqa: E731
    save()
    content = bytes(path.stat().st_size)
    works: dict[str, Work] = {
        "save": save,
        "save_unsynced": unsynced(save),
        "save_sha256": lambda: pg.checkpoints.save(parameters, path, digest="sha256"),
        "values": lambda: pg.checkpoints.values(path),
        "load": lambda: pg.checkpoints.load(path),
        "bare": replacing(lambda aside: aside.write_bytes(content), folder / "bare"),
        **others({key: parameter.value for key, parameter in parameters.items()}, folder),
    }
    return {f"{name}_{what}": seconds for what, seconds in best(works, ROUNDS[name]).items()}


def main() -> None:
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 256
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        small: dict[str, Any] = {
            f"layer{i}.weight": pg.Parameter(np.full(64, i, np.float32), name=f"layer{i}.weight") for i in range(10_000)
        }
        figures = case("small", small, folder)
        large: dict[str, Any] = {f"w{i}": pg.Parameter(np.ones((size << 20) // 64 // 4, np.float32)) for i in range(64)}
        figures |= case("large", large, folder)
    targets = {"small_save": "15 ms", "small_load": "25 ms"}
    for name, seconds in figures.items():
        speed = f", {size / 1024 / seconds:.2f} GiB/s" if name.startswith("large") else ""
        print(f"P11 {name}: {seconds * 1e3:.4g} ms{speed}{f' (target {targets[name]})' if name in targets else ''}")
    for what in ("save", "save_unsynced", "load"):
        ratio = figures.get(f"large_safetensors_{what}", math.nan) / figures[f"large_{what}"]
        print(f"P11 large {what}, speed over that of safetensors: {ratio:.2f} (target ≥ 0.9)")
    out = Path(__file__).parent / "out"
    out.mkdir(exist_ok=True)
    (out / "p11_checkpoints.json").write_text(json.dumps({"mib": size, **figures}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
