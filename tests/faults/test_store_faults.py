"""R6: stores lose nothing. Short versions run always, long ones with ``-m faults`` (PARAGRAD_FAULTS=long)."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import numpy
import pytest

from paragrad import stores
from tests.faults.file_kills import kill_everywhere
from tests.faults.interrupts import interrupted_at
from tests.faults.store_harness import COUNTER, DAMAGEABLE, INDEXED, PLACES, PUSHER, SHARED, contend, damage, kill_loop, lose_index

shared = pytest.mark.parametrize("name", SHARED)
damageable = pytest.mark.parametrize("name", DAMAGEABLE)
long = pytest.mark.skipif(os.environ.get("PARAGRAD_FAULTS") != "long", reason="long; set PARAGRAD_FAULTS=long")


@pytest.fixture
def url(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return PLACES[name].url(request, tmp_path)


@shared
def test_four_processes_lose_no_push(url: str) -> None:
    store, _ = contend(url, PUSHER, 4, 150)
    assert store.get_gradient("n") == 600.0
    assert store.get_gradient_count("n") == 600


@shared
def test_four_processes_lose_no_update(url: str) -> None:
    store, _ = contend(url, COUNTER, 4, 15)
    assert store.get_parameter_value("v") == 60.0
    assert len(store.history("v")) == 61


@shared
def test_kill_loses_nothing(url: str) -> None:
    pushed, published = kill_loop(url, 6, seed=0)
    assert pushed >= published > 0


@pytest.mark.parametrize("renew", [False, True])
def test_kill_between_any_two_writes_to_files(tmp_path: Path, renew: bool) -> None:
    kills, _ = kill_everywhere(tmp_path, stride=6, half=renew, renew=renew)
    assert kills >= 10


@damageable
def test_damage_yields_no_wrong_value(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    seen = damage(PLACES[name], request, tmp_path, 40, seed=1)
    assert sum(seen.values()) == 40
    assert seen.get("clean prefix" if name == "sqlite log" else "detected", 0) > 0


@pytest.mark.parametrize("older", [False, True])
@pytest.mark.parametrize("name", INDEXED)
def test_nothing_is_acknowledged_where_the_index_is_gone(name: str, older: bool, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    place = PLACES[name]
    acknowledged, said = lose_index(place.url(request, tmp_path), tmp_path / place.index, older)
    assert acknowledged == 0
    assert str(tmp_path) in said


def interrupt_writes(url: str, stride: int) -> int:
    """Interrupt writes at every so manieth place where that is possible; each happened or did not, and the store goes on. Returns how many were."""
    store = stores.open(url, wait=2.0)
    store.init_parameter("n", 0.0)
    place = str(Path(stores.__file__).parent)
    done = step = 0
    writes = [lambda: store.increment_gradient("n", 1.0), lambda: store.set_parameter_value("n", 1.0)]
    while writes:
        step += stride
        before = store.commit(), store.get_gradient("n")
        with interrupted_at(step, place) as seen, suppress(KeyboardInterrupt):
            writes[0]()
        if seen[0] < step:
            writes.pop(0)
            step = 0
        done += 1
        with closing(stores.open(url, wait=2.0)) as other:
            now = other.commit(), other.get_gradient("n")
            assert now[0] - before[0] in (0, 1), step
            assert now[1] - before[1] in (0.0, 1.0), step
            assert (store.commit(), store.get_gradient("n")) == now, step
            other.increment_gradient("n", 1.0)  # nothing is locked, and what the other writes is seen
            store.increment_gradient("n", 1.0)
            assert store.get_gradient("n") == other.get_gradient("n") == now[1] + 2.0, step
    store.close()
    with closing(stores.open(url)) as again:
        assert [entry.version for entry in again.history("n")] == sorted({entry.version for entry in again.history("n")})
    return done


@pytest.mark.parametrize("name", INDEXED)
def test_an_interrupt_anywhere_in_a_write_leaves_a_whole_store(url: str) -> None:
    assert interrupt_writes(url, 11) > 20


@shared
def test_threads_and_arrays_lose_nothing(url: str) -> None:
    store = stores.open(url)
    store.init_parameter("w", numpy.zeros(8))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: store.increment_gradient("w", numpy.full(8, 1.0), token=str(n % 100)), range(200)))
    assert store.get_gradient("w").tolist() == [100.0] * 8


@long
@pytest.mark.faults
@shared
def test_long_contention(name: str, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    store, _ = contend(url, PUSHER, 4, 25_000)
    pushes, total = store.get_gradient_count("n"), store.get_gradient("n")
    store, said = contend(url, COUNTER, 4, 500)
    updates = store.get_parameter_value("v")
    with capsys.disabled():
        print(f"\nR6 {name}: lost pushes of 100000 contended: {100_000 - pushes}")
        print(f"R6 {name}: lost updates of 2000 compare-and-set: {2000 - updates:.0f}; lost races: {sum(map(int, said))}, each a Conflict")
    assert (pushes, total, updates) == (100_000, 100_000.0, 2000.0)


@long
@pytest.mark.faults
@shared
def test_long_kills(name: str, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    pushed, published = kill_loop(url, 200, seed=3)
    with capsys.disabled():
        print(f"\nR6 {name}: lost by 200 kills: 0 ({pushed} pushes and {published} updates acknowledged)")


@long
@pytest.mark.faults
@pytest.mark.parametrize("renew", [False, True])
@pytest.mark.parametrize("half", [False, True])
def test_long_kill_between_any_two_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str], half: bool, renew: bool) -> None:
    kills, operations = kill_everywhere(tmp_path, stride=1, half=half, renew=renew)
    with capsys.disabled():
        where = "in the middle of" if half else "before"
        print(f"\nR6 file: half commits of {kills} kills {where} each of {operations - 1} operations{' (manifest anew)' * renew}: 0")


@long
@pytest.mark.faults
@damageable
def test_long_damage(name: str, request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seen = damage(PLACES[name], request, tmp_path, 1000, seed=5)
    with capsys.disabled():
        print(f"\nR6 {name}: wrong values of 1000 flips and cuts: 0; {seen}")
