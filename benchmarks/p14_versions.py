"""P14: a store of 10⁶ versions: what reading an old one costs, counted, not timed.

100 parameters get versions, 100 to a commit. At 10³, 10⁴, 10⁵ and 10⁶ versions 200 random (id, commit) pairs are read and
checked, and the store's primitives are counted: looks at the list (memory), instructions of SQLite's machine (sqlite), reads of
a file (file). The stores on the disk stop at 10⁵, so that the suite stays short: ``python -m benchmarks.p14_versions 1000000``
takes all of them to 10⁶ in about three minutes.
"""

from __future__ import annotations

import json
import math
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from paragrad import stores

IDS, READS = 100, 200
SIZES = (1_000, 10_000, 100_000, 1_000_000)


class Looks(list[Any]):
    """A list that counts how often one looks into it."""

    count = 0

    def __getitem__(self, place: Any) -> Any:
        Looks.count += 1
        return super().__getitem__(place)


@contextmanager
def memory(store: Any) -> Iterator[Callable[[], int]]:
    """Looks into the lists of versions."""
    plain = store._histories
    store._histories = {id: Looks(rows) for id, rows in plain.items()}
    yield lambda: Looks.count
    store._histories = plain


@contextmanager
def sqlite(store: Any) -> Iterator[Callable[[], int]]:
    """Instructions of SQLite's virtual machine, in tens."""
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    connection = store._pool.borrow()
    connection.set_progress_handler(step, 10)
    store._pool.give_back(connection)
    yield lambda: count
    connection.set_progress_handler(None, 0)


@contextmanager
def files(store: Any) -> Iterator[Callable[[], int]]:
    """Reads of files."""
    count = 0
    real = os.pread

    def counted(*args: Any) -> bytes:
        nonlocal count
        count += 1
        return real(*args)

    os.pread = counted
    yield lambda: count
    os.pread = real


KINDS: dict[str, tuple[Callable[[Path], str], Any, str, int]] = {
    "memory": (lambda folder: "memory:", memory, "looks", 1_000_000),
    "sqlite": (lambda folder: f"sqlite:///{folder / 'x.db'}", sqlite, "tens of instructions", 100_000),
    "file": (lambda folder: f"file://{folder / 'x'}", files, "reads", 100_000),
}
"""URL, counter, unit, and how many versions are written unless more are asked for."""


def cost(store: Any, counting: Any, commits: int, source: random.Random) -> dict[str, float]:
    """Mean and worst count of a read at a random commit; every value is checked."""
    found = []
    with counting(store) as count:
        for _ in range(READS):
            id, commit = source.randrange(IDS), source.randrange(1, commits + 1)
            before = count()
            value = store.get_entry(f"p{id}", at=IDS + commit).value
            found.append(count() - before)
            assert value == float(commit * IDS + id)
    return {"mean": sum(found) / READS, "worst": max(found)}


def measure(kind: str, folder: Path, versions: int) -> dict[str, Any]:
    """Build the store and look at it as it grows."""
    url, counting, *_ = KINDS[kind]
    store = stores.open(url(folder))
    source = random.Random(0)
    costs, started = {}, time.perf_counter()
    for id in range(IDS):
        store.init_parameter(f"p{id}", 0.0)
    for commit in range(1, versions // IDS + 1):
        store.publish({f"p{id}": float(commit * IDS + id) for id in range(IDS)})
        if commit * IDS in SIZES:
            costs[commit * IDS] = cost(store, counting, commit, source)
    built = time.perf_counter() - started
    getattr(store, "close", lambda: None)()
    started = time.perf_counter()
    again = stores.open(url(folder))
    opened = time.perf_counter() - started
    if kind != "memory":
        assert again.get_parameter_value("p0") == float(versions)
        again.close()
    return {"costs": costs, "built_s": built, "opened_ms": opened * 1e3}


def main() -> int:
    """Print and write the figures."""
    figures, asked = {}, int(sys.argv[1]) if len(sys.argv) > 1 else 0
    for kind, (_, _, unit, usual) in KINDS.items():
        versions = asked or usual
        with tempfile.TemporaryDirectory() as folder:
            found = figures[kind] = measure(kind, Path(folder), versions)
        least, most = min(found["costs"]), max(found["costs"])
        row = ", ".join(f"{size:.0e}: {each['mean']:.1f} (worst {each['worst']:.0f})" for size, each in found["costs"].items())
        print(f"{kind}, {unit} per read of an old version, by versions in the store: {row}")
        limit = found["costs"][least]["worst"] + 4 * math.log2(most / least)
        print(
            f"{kind}, worst at {most:.0e} versions: {found['costs'][most]['worst']:.0f} {unit} (target ≤ {limit:.0f}: four more per doubling)"
        )
        print(f"{kind}, {versions:.0e} versions written in: {found['built_s']:.0f} s; opened in {found['opened_ms']:.0f} ms (no target)")
    out = Path(__file__).parent / "out"
    out.mkdir(exist_ok=True)
    (out / "p14_versions.json").write_text(json.dumps(figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
