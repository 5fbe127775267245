"""P10: stores beside the bare driver: 4 KB texts, every put synchronised to the disk.

Both sides do the same durable work and alternate in short rounds; the ratio is the median of the rounds' ratios.
The bare drivers: sqlite3 with a write-ahead log; files by temporary file, fsync, rename and fsync of the directory.
Servers are in ``p10_servers.py``.
"""

from __future__ import annotations

import json
import os
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
from typing import Any, Protocol

from paragrad import stores

TARGETS = {"puts": 0.8, "gets": 0.5, "puts, 8 threads": 0.8}
ROUNDS, PUTS, GETS, KEYS = 10, 100, 2000, 50


class Driver(Protocol):
    """The other side: bytes under a name, durably."""

    def put(self, key: str, value: bytes) -> None: ...
    def get(self, key: str) -> bytes: ...
    def close(self) -> None: ...


class BareSQLite:
    """sqlite3 alone; one connection, as its threads would use it."""

    def __init__(self, folder: Path) -> None:
        self.connection = sqlite3.connect(folder / "bare.db", isolation_level=None, check_same_thread=False)
        for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "CREATE TABLE kv (k TEXT PRIMARY KEY, v BLOB)"):
            self.connection.execute(statement)
        self.lock = threading.Lock()

    def put(self, key: str, value: bytes) -> None:
        """One row, one commit."""
        with self.lock:
            self.connection.execute("INSERT OR REPLACE INTO kv VALUES (?, ?)", (key, value))

    def get(self, key: str) -> bytes:
        """One row."""
        found: bytes = self.connection.execute("SELECT v FROM kv WHERE k = ?", (key,)).fetchone()[0]
        return found

    def close(self) -> None:
        """The connection."""
        self.connection.close()


class BareFiles:
    """One file per key; threads need no lock."""

    def __init__(self, folder: Path) -> None:
        self.root = str(folder / "bare")
        os.mkdir(self.root)

    def put(self, key: str, value: bytes) -> None:
        """Temporary file, fsync, rename, fsync of the directory."""
        temporary = f"{self.root}/{key}.{threading.get_ident()}"
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        os.write(fd, value)
        os.fsync(fd)
        os.close(fd)
        os.rename(temporary, f"{self.root}/{key}")
        fd = os.open(self.root, os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)

    def get(self, key: str) -> bytes:
        """The whole file."""
        with open(f"{self.root}/{key}", "rb") as file:
            return file.read()

    def close(self) -> None:
        """Nothing is open."""


KINDS: dict[str, tuple[Callable[[Path], str], Callable[[Path], Any]]] = {
    "sqlite": (lambda folder: f"sqlite:///{folder / 'ours.db'}", BareSQLite),
    "file": (lambda folder: f"file://{folder / 'ours'}", BareFiles),
}


def texts(count: int) -> list[str]:
    """Random texts of 4 KB."""
    source = random.Random(0)
    return ["".join(source.choices(string.ascii_letters, k=4096)) for _ in range(count)]


def per_second(count: int, work: Callable[[], None]) -> float:
    """Operations per second of one round."""
    started = time.perf_counter()
    work()
    return count / (time.perf_counter() - started)


def measure(store: Any, driver: Driver) -> dict[str, dict[str, float]]:
    """Median rates of both sides and the median ratio."""
    values = texts(KEYS)
    for i, value in enumerate(values):
        driver.put(f"p{i}", value.encode())
        store.init_parameter(f"p{i}", value)

    def put_bare(first: int, count: int) -> None:
        for i in range(first, first + count):
            driver.put(f"p{i % KEYS}", values[(i * 7) % KEYS].encode())

    def put_ours(first: int, count: int) -> None:
        for i in range(first, first + count):
            store.set_parameter_value(f"p{i % KEYS}", values[(i * 7) % KEYS])

    def get_bare() -> None:
        for i in range(GETS):
            driver.get(f"p{i % KEYS}").decode()

    def get_ours() -> None:
        for i in range(GETS):
            store.get_parameter_value(f"p{i % KEYS}")

    pairs: dict[str, tuple[int, Callable[[], None], Callable[[], None]]] = {
        "puts": (PUTS, lambda: put_ours(0, PUTS), lambda: put_bare(0, PUTS)),
        "gets": (GETS, get_ours, get_bare),
        "puts, 8 threads": (PUTS * 8, lambda: threads(put_ours), lambda: threads(put_bare)),
    }
    return {name: compare(*pair) for name, pair in pairs.items()}


def threads(put: Callable[[int, int], None]) -> None:
    """The same from eight threads."""
    workers = [threading.Thread(target=put, args=(i * PUTS, PUTS)) for i in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def compare(count: int, ours: Callable[[], None], driver: Callable[[], None], times: int = ROUNDS) -> dict[str, float]:
    """Alternate rounds of both sides."""
    rounds = [(per_second(count, ours), per_second(count, driver)) for _ in range(times)]
    return {
        "ours": statistics.median(a for a, _ in rounds),
        "bare": statistics.median(b for _, b in rounds),
        "ratio": statistics.median(a / b for a, b in rounds),
    }


def main() -> int:
    """Print and write the figures."""
    figures = {}
    for kind, (url, bare) in KINDS.items():
        with tempfile.TemporaryDirectory() as folder:
            store, driver = stores.open(url(Path(folder))), bare(Path(folder))
            found = figures[kind] = measure(store, driver)
            store.close()
            driver.close()
        for name, rates in found.items():
            peer = f"peer {rates['bare']:.0f}/s, ours {rates['ours']:.0f}/s"
            print(f"{kind}, {name} against the bare driver: {rates['ratio']:.2f} (target ≥ {TARGETS[name]}; {peer})")
    out = Path(__file__).parent / "out"
    out.mkdir(exist_ok=True)
    (out / "p10.json").write_text(json.dumps({"figures": figures, "targets": TARGETS}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
