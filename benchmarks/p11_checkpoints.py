"""P11: checkpoints of 10,000 small arrays and of 1 GiB in 64, beside safetensors and torch; one of 64 updated.

``python -m benchmarks.p11_checkpoints [MiB]``: the large case has 1024 MiB unless another size is given.
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

ROUNDS = 5


def best(work: Callable[[], Any], rounds: int = ROUNDS) -> float:
    """Seconds."""
    seconds = math.inf
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        seconds = min(seconds, time.perf_counter() - started)
    return seconds


def synced(write: Callable[[Path], Any], path: Path) -> Callable[[], None]:
    """A library's own save, made as lasting as ours: another name, synced, renamed."""

    def save() -> None:
        aside = path.with_suffix(".aside")
        write(aside)
        with aside.open("rb") as file:
            os.fsync(file.fileno())
        aside.replace(path)

    return save


def others(arrays: dict[str, Any], folder: Path) -> dict[str, tuple[Callable[[], Any], Callable[[], Any]]]:
    """Name to (save, load) of the neighbours that are installed."""
    found: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {}
    try:
        from safetensors.numpy import load_file, save_file
    except ImportError:
        return found
    path = folder / "safetensors"
    found["safetensors"] = synced(lambda aside: save_file(arrays, aside), path), lambda: load_file(path)
    try:
        import torch
    except ImportError:
        return found
    tensors = {name: torch.tensor(np.array(array)) for name, array in arrays.items()}
    other = folder / "torch"
    found["torch"] = synced(lambda aside: torch.save(tensors, aside), other), lambda: torch.load(other)
    return found


def case(name: str, parameters: dict[str, Any], folder: Path, rounds: int) -> dict[str, float]:
    """Seconds of save and load, ours first."""
    path = folder / "ours"
    ours = {
        "save": best(lambda: pg.checkpoints.save(parameters, path), rounds),
        "values": best(lambda: pg.checkpoints.values(path), rounds),
        "load": best(lambda: pg.checkpoints.load(path), rounds),
        "save_sha256": best(lambda: pg.checkpoints.save(parameters, path, digest="sha256"), rounds),
    }
    figures = {f"{name}_{what}": seconds for what, seconds in ours.items()}
    arrays = {key: parameter.value for key, parameter in parameters.items()}
    for other, (save, load) in others(arrays, folder).items():
        figures[f"{name}_{other}_save"], figures[f"{name}_{other}_load"] = best(save, rounds), best(load, rounds)
    return figures


def update(folder: Path, count: int = 64) -> float:
    """Seconds of a durable update of one of 64 arrays in a store of files."""
    store = pg.stores.open(f"file://{folder}/store")
    array = np.ones((4 << 20) // 4, np.float32)
    for i in range(count):
        store.init_parameter(f"w{i}", array)
    return best(lambda: store.set_parameter_value("w7", array))


def main() -> None:
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 1024
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        small = {f"layer{i}.weight": pg.Parameter(np.full(64, i, np.float32), name=f"layer{i}.weight") for i in range(10_000)}
        figures = case("small", small, folder, ROUNDS)
        large = {f"w{i}": pg.Parameter(np.ones((size << 20) // 64 // 4, np.float32)) for i in range(64)}
        figures |= case("large", large, folder, 2)
        del large
        figures["update_one_of_64"] = update(folder)
    targets = {"small_save": "15 ms", "small_values": "25 ms", "update_one_of_64": "25 ms"}
    for name, seconds in figures.items():
        speed = f", {size / 1024 / seconds:.2f} GiB/s" if name.startswith("large") else ""
        print(f"P11 {name}: {seconds * 1e3:.4g} ms{speed}{f' (target {targets[name]})' if name in targets else ''}")
    print(f"P11 large save over safetensors: {figures.get('large_safetensors_save', math.nan) / figures['large_save']:.2f} (target 0.9)")
    out = Path(__file__).parent / "out"
    out.mkdir(exist_ok=True)
    (out / "p11_checkpoints.json").write_text(json.dumps({"mib": size, **figures}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
