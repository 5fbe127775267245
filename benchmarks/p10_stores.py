"""P10: a SQLiteStore beside the bare driver: 4 KB texts, write-ahead log, every put synchronised to the disk.

Both sides do the same durable work and alternate in short rounds; the ratio is the median of the rounds' ratios.
"""

from __future__ import annotations

import json
import random
import sqlite3
import statistics
import string
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from paragrad import stores

TARGETS = {"puts": 0.8, "gets": 0.5, "puts, 8 threads": 0.8}
ROUNDS, PUTS, GETS, KEYS = 12, 100, 2000, 50


def texts(count: int) -> list[str]:
    """Random texts of 4 KB."""
    source = random.Random(0)
    return ["".join(source.choices(string.ascii_letters, k=4096)) for _ in range(count)]


def bare(path: Path) -> sqlite3.Connection:
    """The driver alone, as durable as the store."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE kv (k TEXT PRIMARY KEY, v BLOB)")
    return connection


def per_second(count: int, work: Callable[[], None]) -> float:
    """Operations per second of one round."""
    started = time.perf_counter()
    work()
    return count / (time.perf_counter() - started)


def measure(folder: Path) -> dict[str, dict[str, float]]:
    """Median rates of both sides and the median ratio."""
    values = texts(KEYS)
    driver, store = bare(folder / "bare.db"), stores.open(f"sqlite:///{folder / 'ours.db'}")
    for i, value in enumerate(values):
        driver.execute("INSERT OR REPLACE INTO kv VALUES (?, ?)", (f"p{i}", value.encode()))
        store.init_parameter(f"p{i}", value)
    lock = threading.Lock()

    def put_bare(first: int, count: int) -> None:
        for i in range(first, first + count):
            with lock:
                driver.execute("INSERT OR REPLACE INTO kv VALUES (?, ?)", (f"p{i % KEYS}", values[(i * 7) % KEYS].encode()))

    def put_ours(first: int, count: int) -> None:
        for i in range(first, first + count):
            store.set_parameter_value(f"p{i % KEYS}", values[(i * 7) % KEYS])

    def get_bare() -> None:
        for i in range(GETS):
            driver.execute("SELECT v FROM kv WHERE k = ?", (f"p{i % KEYS}",)).fetchone()[0].decode()

    def get_ours() -> None:
        for i in range(GETS):
            store.get_parameter_value(f"p{i % KEYS}")

    pairs: dict[str, tuple[int, Callable[[], None], Callable[[], None]]] = {
        "puts": (PUTS, lambda: put_ours(0, PUTS), lambda: put_bare(0, PUTS)),
        "gets": (GETS, get_ours, get_bare),
        "puts, 8 threads": (PUTS * 8, lambda: threads(put_ours), lambda: threads(put_bare)),
    }
    found = {name: compare(*pair) for name, pair in pairs.items()}
    store.close()
    driver.close()
    return found


def threads(put: Callable[[int, int], None]) -> None:
    """The same from eight threads."""
    workers = [threading.Thread(target=put, args=(i * PUTS, PUTS)) for i in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def compare(count: int, ours: Callable[[], None], driver: Callable[[], None]) -> dict[str, float]:
    """Alternate rounds of both sides."""
    rounds = [(per_second(count, ours), per_second(count, driver)) for _ in range(ROUNDS)]
    return {
        "ours": statistics.median(a for a, _ in rounds),
        "bare": statistics.median(b for _, b in rounds),
        "ratio": statistics.median(a / b for a, b in rounds),
    }


def main() -> int:
    """Print and write the figures."""
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder))
    for name, rates in found.items():
        target = TARGETS[name]
        peer = f"peer {rates['bare']:.0f}/s, ours {rates['ours']:.0f}/s"
        print(f"{name} against the bare driver: {rates['ratio']:.2f} (target ≥ {target}; {peer})")
    out = Path(__file__).parent / "out"
    out.mkdir(exist_ok=True)
    (out / "p10.json").write_text(json.dumps({"figures": found, "targets": TARGETS}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
