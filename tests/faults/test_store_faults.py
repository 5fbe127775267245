"""R6: stores lose nothing. Short versions run always, long ones with ``-m faults`` (PARAGRAD_FAULTS=long)."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy
import pytest

from paragrad import stores
from paragrad.errors import StoreError

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
done = 0
while done < int(sys.argv[2]):
    entry = store.get_entry("v")
    try:
        store.set_parameter_value("v", entry.value + 1, expect=entry.version)
    except stores.Conflict:
        continue
    done += 1
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
    return subprocess.Popen([sys.executable, "-c", code, *map(str, args)], stdout=subprocess.PIPE, text=True)


def contend(folder: Path, code: str, processes: int, each: int) -> Any:
    """Several processes on one file; returns the store afterwards."""
    url = f"sqlite:///{folder / 'x.db'}"
    store = stores.open(url)
    store.init_parameter("n", 0.0)
    store.init_parameter("v", 0.0)
    workers = [run(code, url, each) for _ in range(processes)]
    for worker in workers:
        worker.communicate()
    assert [worker.returncode for worker in workers] == [0] * processes
    return store


def kill_loop(folder: Path, kills: int, seed: int) -> tuple[int, int]:
    """Kill a training loop again and again; returns acknowledged pushes and steps, none of which is lost."""
    url = f"sqlite:///{folder / 'x.db'}"
    store = stores.open(url)
    store.init_parameter("n", 0.0)
    store.init_parameter("copy", 0.0)
    source = random.Random(seed)
    pushed, published = 0, 0
    for _ in range(kills):
        worker = run(STEPPER, url, pushed)
        assert worker.stdout is not None
        assert worker.stdout.readline()
        time.sleep(source.uniform(0, 0.08))
        worker.send_signal(signal.SIGKILL)
        rest = worker.communicate()[0].splitlines()
        steps = [int(line.split()[1]) for line in [f"pushed {pushed + 1}", *rest] if len(line.split()) == 2 and line.split()[1].isdigit()]
        acknowledged = max([pushed, *steps])
        reopened = stores.open(url)
        applied, pending = reopened.get_parameter_value("n"), reopened.get_gradient("n")
        assert reopened.get_parameter_value("copy") == applied
        assert (reopened.state("t") or 0.0) == applied
        assert acknowledged <= applied + pending <= acknowledged + 1
        pushed, published = int(applied + pending), int(applied)
        reopened.close()
    return pushed, published


def damaged_store(folder: Path) -> tuple[Any, list[dict[str, Any]]]:
    """A store with a history, and what it held at every commit."""
    path = folder / "x.db"
    store = stores.open(f"sqlite:///{path}")
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


def read_all(path: Path, held: list[dict[str, Any]]) -> str:
    """Read everything of a damaged copy; returns what happened. A wrong value is an assertion."""
    try:
        store = stores.open(f"sqlite:///{path}")
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


def damage(folder: Path, trials: int, seed: int, log: bool) -> dict[str, int]:
    """Flip or cut copies of a store's files; counts of what happened."""
    store, held = damaged_store(folder)
    if not log:
        store.close()  # moves the log into the file
    source = random.Random(seed)
    copy = folder / "copy"
    seen: dict[str, int] = {}
    for _ in range(trials):
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        for name in ("x.db", "x.db-wal"):
            if (folder / name).exists():
                shutil.copy(folder / name, copy / name)
        target = copy / ("x.db-wal" if log else "x.db")
        content = bytearray(target.read_bytes())
        place = source.randrange(len(content))
        kind = source.randrange(3)
        if kind == 0:
            content[place] ^= 1 << source.randrange(8)
        elif kind == 1:
            content[place : place + 64] = source.randbytes(len(content[place : place + 64]))
        else:
            del content[place:]
        target.write_bytes(content)
        outcome = read_all(copy / "x.db", held)
        seen[outcome] = seen.get(outcome, 0) + 1
    return seen


def test_four_processes_lose_no_push(tmp_path: Path) -> None:
    store = contend(tmp_path, PUSHER, 4, 150)
    assert store.get_gradient("n") == 600.0
    assert store.get_gradient_count("n") == 600


def test_four_processes_lose_no_update(tmp_path: Path) -> None:
    store = contend(tmp_path, COUNTER, 4, 15)
    assert store.get_parameter_value("v") == 60.0
    assert len(store.history("v")) == 61


def test_kill_loses_nothing(tmp_path: Path) -> None:
    pushed, published = kill_loop(tmp_path, 6, seed=0)
    assert pushed >= published > 0


@pytest.mark.parametrize("log", [False, True])
def test_damage_yields_no_wrong_value(tmp_path: Path, log: bool) -> None:
    seen = damage(tmp_path, 40, seed=1, log=log)
    assert sum(seen.values()) == 40
    assert seen.get("clean prefix" if log else "detected", 0) > 0


def test_threads_and_arrays_lose_nothing(tmp_path: Path) -> None:
    store = stores.open(f"sqlite:///{tmp_path / 'x.db'}")
    store.init_parameter("w", numpy.zeros(8))
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: store.increment_gradient("w", numpy.full(8, 1.0), token=str(n % 100)), range(200)))
    assert store.get_gradient("w").tolist() == [100.0] * 8


long = pytest.mark.skipif(os.environ.get("PARAGRAD_FAULTS") != "long", reason="long; set PARAGRAD_FAULTS=long")


@long
@pytest.mark.faults
def test_long_contention(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = contend(tmp_path, PUSHER, 4, 25_000)
    with capsys.disabled():
        print(f"\nR6 lost pushes of 100000 contended: {100_000 - store.get_gradient_count('n')}")
    assert store.get_gradient("n") == 100_000.0


@long
@pytest.mark.faults
def test_long_kills(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pushed, published = kill_loop(tmp_path, 200, seed=3)
    with capsys.disabled():
        print(f"\nR6 lost by 200 kills: 0 ({pushed} pushes acknowledged, {published} applied)")


@long
@pytest.mark.faults
@pytest.mark.parametrize("log", [False, True])
def test_long_damage(tmp_path: Path, capsys: pytest.CaptureFixture[str], log: bool) -> None:
    seen = damage(tmp_path, 1000, seed=5, log=log)
    with capsys.disabled():
        print(f"\nR6 wrong values of 1000 flips and cuts ({'log' if log else 'file'}): 0; {seen}")
