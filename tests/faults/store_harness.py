"""R6, the harness: what is done to a store by its URL. A new kind of store is one line in ``PLACES``."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from paragrad import stores
from paragrad.errors import StoreError

Url = Callable[[pytest.FixtureRequest, Path], str]


@dataclass(frozen=True)
class Place:
    """A kind of store.

    Attributes:
        url: a new, empty store for a test's request and folder.
        files: pattern of the files in that folder that can be damaged; empty where bytes are a server's.
        closed: the store is closed before its files are damaged.
        index: the file that says what there is, in that folder; without it nothing is acknowledged.
    """

    url: Url
    files: str = ""
    closed: bool = True
    index: str = ""


PLACES = {
    "sqlite": Place(lambda _, folder: f"sqlite:///{folder / 'x.db'}", "x.db", index="x.db"),
    "sqlite log": Place(lambda _, folder: f"sqlite:///{folder / 'x.db'}", "x.db-wal", closed=False),
    "file": Place(lambda _, folder: f"file://{folder / 'x'}", "x/**/*", index="x/manifest/1"),
    "postgres": Place(lambda request, _: request.getfixturevalue("postgres").fresh()),
    "redis": Place(lambda request, _: request.getfixturevalue("redis").fresh()),
}

SHARED = [name for name in PLACES if name != "sqlite log"]
DAMAGEABLE = [name for name, place in PLACES.items() if place.files]
INDEXED = [name for name, place in PLACES.items() if place.index]

PUSHER = """
import sys
from paragrad import stores
store = stores.open(sys.argv[1])
for _ in range(int(sys.argv[2])):
    store.increment_gradient("n", 1.0)
"""

COUNTER = """
import sys
from paragrad import stores
store = stores.open(sys.argv[1])
done = lost = 0
while done < int(sys.argv[2]):
    entry = store.get_entry("v")
    try:
        store.set_parameter_value("v", entry.value + 1, expect=entry.version)
    except stores.Conflict:
        lost += 1
        continue
    done += 1
print(lost)
"""

STEPPER = """
import sys
from paragrad import stores
store = stores.open(sys.argv[1])
step = int(sys.argv[2])
while True:
    step += 1
    store.increment_gradient("n", 1.0, token=str(step))
    print("pushed", step, flush=True)
    lease = store.take_gradients(["n"])
    total = store.get_parameter_value("n") + lease.gradients["n"]
    store.publish({"n": total, "copy": total}, state={"t": total}, consume=lease)
    print("published", step, flush=True)
"""


def run(code: str, *args: object) -> subprocess.Popen[str]:
    """A process of its own."""
    return subprocess.Popen([sys.executable, "-c", code, *map(str, args)], stdout=subprocess.PIPE, text=True)


def contend(url: str, code: str, processes: int, each: int) -> tuple[Any, list[str]]:
    """Several processes on one store; returns it afterwards, and what they printed."""
    store = stores.open(url)
    store.init_parameter("n", 0.0)
    store.init_parameter("v", 0.0)
    workers = [run(code, url, each) for _ in range(processes)]
    said = [worker.communicate()[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * processes
    return store, said


def kill_loop(url: str, kills: int, seed: int) -> tuple[int, int]:
    """Kill a training loop again and again; returns acknowledged pushes and steps, none of which is lost."""
    store = stores.open(url)
    store.init_parameter("n", 0.0)
    store.init_parameter("copy", 0.0)
    source = random.Random(seed)
    pushed, published = 0, 0
    for _ in range(kills):
        worker = run(STEPPER, url, pushed)
        assert worker.stdout is not None
        said = [worker.stdout.readline() for _ in range(source.randrange(1, 6))]
        time.sleep(source.uniform(0, 0.03))
        worker.send_signal(signal.SIGKILL)
        said += worker.communicate()[0].splitlines()
        steps = [int(line.split()[1]) for line in said if len(line.split()) == 2 and line.split()[1].isdigit()]
        acknowledged = max([pushed, *steps])
        assert steps
        reopened = stores.open(url)
        applied, pending = reopened.get_parameter_value("n"), reopened.get_gradient("n")
        assert reopened.get_parameter_value("copy") == applied
        assert (reopened.state("t") or 0.0) == applied
        assert acknowledged <= applied + pending <= acknowledged + 1
        pushed, published = int(applied + pending), int(applied)
        reopened.close()
    return pushed, published


def damaged_store(url: str) -> tuple[Any, list[dict[str, Any]]]:
    """A store with a history, and what it held at every commit."""
    store = stores.open(url)
    held: list[dict[str, Any]] = [{}]
    source = random.Random(0)
    for n in range(120):
        id = f"p{source.randrange(25)}"
        value = f"{n} " + "x" * source.randrange(2000)
        if id in held[-1]:
            store.set_parameter_value(id, value)
        else:
            store.init_parameter(id, value)
        held.append({**held[-1], id: value})
    return store, held


def read_all(url: str, held: list[dict[str, Any]]) -> str:
    """Read everything of a damaged copy; returns what happened. A wrong value is an assertion."""
    try:
        store = stores.open(url)
    except StoreError:
        return "detected"
    try:
        commit, ids = store.commit(), list(store.ids())
    except StoreError:
        return "detected"
    assert 0 <= commit < len(held)
    assert sorted(held[commit]) == ids
    seen = "no effect" if commit == len(held) - 1 else "clean prefix"
    for id, wanted in held[commit].items():
        for at in (None, commit, commit // 2):
            expected = wanted if at != commit // 2 else held[commit // 2].get(id)
            try:
                assert store.get_entry(id, at=at).value == expected
            except StoreError:
                seen = "detected"
            except KeyError:
                assert expected is None
    store.close()
    return seen


def damage(place: Place, request: pytest.FixtureRequest, folder: Path, trials: int, seed: int) -> dict[str, int]:
    """Flip or cut copies of a store's files; counts of what happened."""
    original, copy = folder / "original", folder / "copy"
    original.mkdir()
    store, held = damaged_store(place.url(request, original))
    if place.closed:
        store.close()  # SQLite moves its log into the file
    source = random.Random(seed)
    seen: dict[str, int] = {}
    for _ in range(trials):
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(original, copy)
        files = sorted(path for path in copy.glob(place.files) if path.is_file() and path.stat().st_size)
        target = source.choices(files, [path.stat().st_size + 1000 for path in files])[0]
        content = bytearray(target.read_bytes())
        spot = source.randrange(len(content.rstrip(b"\0")) or 1)  # a log that grows ahead ends with zeros
        kind = source.randrange(3)
        if kind == 0:
            content[spot] ^= 1 << source.randrange(8)
        elif kind == 1:
            content[spot : spot + 64] = source.randbytes(len(content[spot : spot + 64]))
        else:
            del content[spot:]
        target.write_bytes(content)
        outcome = read_all(place.url(request, copy), held)
        seen[outcome] = seen.get(outcome, 0) + 1
    return seen


def lose_index(url: str, index: Path, older: bool) -> tuple[int, str]:
    """Take a store's index away while it is open, or put an older one in its place; returns writes that were acknowledged, and the error."""
    store = stores.open(url)
    store.init_parameter("a", "x")
    store.increment_gradient(_number(store), 1.0)
    kept = index.read_bytes()
    store.set_parameter_value("a", "y")
    index.unlink()
    if older:
        index.write_bytes(kept)
    acknowledged, said = 0, ""
    for write in (lambda: store.set_parameter_value("a", "z"), lambda: store.increment_gradient("n", 1.0), lambda: store.release("r")):
        try:
            write()
            acknowledged += 1
        except StoreError as error:
            said = str(error)
    return acknowledged, said


def _number(store: Any) -> str:
    store.init_parameter("n", 0.0)
    return "n"
