"""R1: kill a training at any point, lose nothing, pay twice for nothing. The long version: ``-m faults``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest

from paragrad.errors import JournalError
from paragrad.journal import RunJournal, Runs
from paragrad.journal.crashpoints import CRASH_POINTS

TRAINEE = Path(__file__).with_name("trainee.py")
WORKERS = 8


class Home:
    """One training's home, driven by one process after the other."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.options = options
        self.log = folder / "calls.log"
        self.kills = 0
        self.answered: set[str] = set()
        folder.mkdir(exist_ok=True)

    def start(self, crash: str | None = None) -> subprocess.Popen[bytes]:
        """A process that trains, or goes on training."""
        environment = {**os.environ, "PYTHONPATH": os.getcwd()}
        if crash:
            environment["PARAGRAD_CRASH_AT"] = crash
        command = [sys.executable, str(TRAINEE), str(self.folder / "home"), str(self.log), *self.options]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)

    def paid(self) -> list[str]:
        """Coordinates of every call that reached the model."""
        return self.log.read_text().split() if self.log.exists() else []

    def after_kill(self) -> bool:
        """Note what the dead process had on record: none of that may be asked for again. False: the run was finished."""
        runs = Runs(self.folder / "home").all()
        if any(run.status == "finished" for run in runs):
            return False
        self.kills += 1
        for run in runs:
            if run.journal.exists() and run.journal.stat().st_size:
                with suppress(JournalError), RunJournal(run.journal, read_only=True) as journal:  # it may hold no row yet
                    self.answered |= {event.coordinate for event in journal.events("model", "outcome")}
        return True

    def killed_at(self, crash: str) -> bool:
        """Run to a named point; whether it died there."""
        child = self.start(crash)
        _, errors = child.communicate()
        assert child.returncode in (0, -signal.SIGKILL), errors.decode()
        return bool(child.returncode) and self.after_kill()

    def killed_after(self, seconds: float) -> bool:
        """Run and kill after a while; whether the run was still going on."""
        child = self.start()
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(seconds)
        child.kill()
        _, errors = child.communicate()
        assert child.returncode in (0, -signal.SIGKILL), errors.decode()
        return bool(child.returncode) and self.after_kill()

    def finished(self) -> Any:
        """Run to the end; what it prints. No answered call is repeated, of the others each kill costs at most the workers."""
        before = len(self.paid())
        child = self.start()
        output, errors = child.communicate()
        assert child.returncode == 0, errors.decode()
        again = set(self.paid()[before:]) & self.answered
        assert not again, f"paid twice: {sorted(again)}"
        assert self.repeated() <= WORKERS * self.kills
        return json.loads(output.decode().splitlines()[-1])

    def repeated(self) -> int:
        """Calls that were asked for more than once."""
        return sum(n - 1 for n in Counter(self.paid()).values())


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Any, float]]:
    """The result that nobody disturbs, with these options, and how long it takes; each found out once."""

    @cache
    def of(*options: str) -> tuple[Any, float]:
        home = Home(tmp_path_factory.mktemp("undisturbed") / "a", *options)
        child = home.start()
        assert child.stdout is not None
        child.stdout.readline()
        began = time.monotonic()
        output, errors = child.communicate()
        assert child.returncode == 0, errors.decode()
        return json.loads(output.decode().splitlines()[-1]), time.monotonic() - began

    return of


@pytest.fixture
def undisturbed(calm: Callable[..., tuple[Any, float]]) -> tuple[Any, float]:
    """Of the short minibatch training."""
    return calm()


PASSINGS = {
    "before-intent": 57, "after-intent": 90, "before-outcome": 120, "after-outcome": 130, "before-checkpoint": 3, "after-checkpoint": 2,
    "before-commit": 60, "after-commit": 40,
}  # fmt: skip


def same(found: Any, wanted: Any) -> None:
    """The whole result, the program included. (With a cache, what was paid may differ: an answer that was not recorded yet is in the cache.)"""
    if not found["json"]["spent"]["cached"]:
        assert found["json"] == wanted["json"]
    one, other = ({**whole, "json": {**whole["json"], "spent": None}} for whole in (found, wanted))
    assert one == other


@pytest.mark.parametrize("point", [p for p in CRASH_POINTS if "publish" not in p])
def test_every_named_point(tmp_path: Path, undisturbed: tuple[Any, float], point: str) -> None:
    home = Home(tmp_path / "x")
    assert home.killed_at(f"{point}:{PASSINGS[point]}")
    same(home.finished(), undisturbed[0])


@pytest.mark.parametrize("where", ["private", "store", "publish"])
def test_the_last_moments(tmp_path: Path, where: str) -> None:
    """Killed while the best values are written into the program, its store, or the store given to ``fit``."""

    def home(name: str) -> Home:
        url = f"sqlite:///{tmp_path / name}.db"
        return Home(tmp_path / name, "--seconds", "0", *([f"--{where}", url] if where != "private" else []))

    wanted = home("undisturbed").finished()
    for passing in (1, 2) if where == "publish" else (1,):
        for death in (f"before-publish:{passing}", f"after-publish:{passing}"):
            one = home(death.replace(":", "-"))
            assert one.killed_at(death), death
            same(one.finished(), wanted)


def kills(folder: Path, undisturbed: tuple[Any, float], count: int, per_run: int, seed: int, *options: str) -> None:
    """``count`` kills at random moments, ``per_run`` of them in one run."""
    wanted, seconds = undisturbed
    chance = Random(seed)
    done = runs = same_results = repeated = 0
    while done < count:
        home = Home(folder / str(runs), *options)
        runs += 1
        if not all(home.killed_after(chance.random() * seconds / (1 + home.kills)) for _ in range(per_run)):
            continue  # it was too fast: the run had ended before its last kill
        same(home.finished(), wanted)
        same_results += 1
        done += home.kills
        repeated += home.repeated()
    print(f"R1 {' '.join(options)}: {done} kills, identical results {same_results} of {same_results}, answered calls repeated 0,")
    print(f"    unanswered ones repeated {repeated} (in flight at most {WORKERS * done})")


def test_random_kills(tmp_path: Path, undisturbed: tuple[Any, float]) -> None:
    kills(tmp_path, undisturbed, 12, 3, 1)


def test_random_kills_with_a_cache(tmp_path: Path, undisturbed: tuple[Any, float]) -> None:
    kills(tmp_path, undisturbed, 4, 2, 3, "--cache")


@pytest.mark.faults
def test_many_random_kills(tmp_path: Path, undisturbed: tuple[Any, float]) -> None:
    kills(tmp_path, undisturbed, 200, 4, 2)


# --- algorithms whose rounds overlap, with optimizers and critics that ask a model -------------------

SEARCHES = [("pareto", "asking"), ("beam", "critic"), ("ucb", "asking"), ("basic", "critic")]


def options_of(algorithm: str, words: str, budget: str = "400 calls") -> list[str]:
    """For the trainee."""
    return ["--algorithm", algorithm, "--optimizer", words, "--budget", budget]


@pytest.mark.parametrize(
    ("algorithm", "words", "point"),
    [
        ("pareto", "asking", "after-outcome"),
        ("pareto", "asking", "before-checkpoint"),
        ("beam", "critic", "after-checkpoint"),
        ("ucb", "asking", "before-outcome"),
        ("basic", "critic", "after-intent"),
        *[pytest.param(*one, point, marks=pytest.mark.faults) for one in SEARCHES for point in CRASH_POINTS if "publish" not in point],
    ],
)
def test_named_points_of_a_search(tmp_path: Path, calm: Callable[..., tuple[Any, float]], algorithm: str, words: str, point: str) -> None:
    home = Home(tmp_path / "x", *options_of(algorithm, words))
    assert home.killed_at(f"{point}:{PASSINGS[point]}")
    same(home.finished(), calm(*home.options)[0])


def test_random_kills_of_a_search(tmp_path: Path, calm: Callable[..., tuple[Any, float]]) -> None:
    options = options_of("pareto", "asking")
    kills(tmp_path, calm(*options), 4, 2, 5, *options)


@pytest.mark.faults
@pytest.mark.parametrize(("algorithm", "words", "count"), [(a, w, 200 if a == "pareto" else 40) for a, w in SEARCHES])
def test_many_random_kills_of_a_search(
    tmp_path: Path, calm: Callable[..., tuple[Any, float]], algorithm: str, words: str, count: int
) -> None:
    options = options_of(algorithm, words)
    kills(tmp_path, calm(*options), count, 4, 6, *options)
