"""Laws of pg.parallel on random programs: in every schedule the results, the graph and the order per resource are those of the serial run."""

from __future__ import annotations

import time
from random import Random
from typing import Any

import pytest

import paragrad as pg
from paragrad.trace.chains import Chains
from paragrad.trace.schedule import Schedule
from tests.trace.schedules import Program, Shuffled, free_at_first, program_of

PROGRAMS, SCHEDULES = 250, 40


def test_ten_thousand_schedules_give_the_serial_run() -> None:
    checked = 0
    overlapped = 0
    for seed in range(PROGRAMS):
        random = Random(seed)
        lines = program_of(random, random.randint(2, 6))
        x: Any = pg.Variable(3.0, requires_grad=True) if seed % 2 else pg.Parameter(3.0, name="x")
        program = Program(lines, x)
        expected = program.run()
        for n in range(SCHEDULES):
            pool = Shuffled(Random(f"{seed}.{n}"), haste=random.choice((0.0, 0.1, 0.3)))
            assert program.run(pool) == expected, (seed, n, lines)
            checked += 1
            overlapped += pool.most > 1
    assert checked >= 10_000
    assert overlapped > 2_000, "schedules in which several calls could run at once"


def test_all_that_may_overlap_does() -> None:
    """With a pool that begins nothing before it must, everything that the definition leaves free is ready at once."""
    most = 0
    for seed in range(300):
        random = Random(seed)
        lines = program_of(random, random.randint(2, 12), ("bundle", "nested", "add", "depend", "inplace"))
        pool = Shuffled(Random(seed), haste=0.0)
        counted: list[int] = []
        finish = Schedule.finish

        def noted(self: Any, pool: Any = pool, counted: Any = counted, finish: Any = finish) -> None:
            counted.append(len(pool.ready))
            finish(self)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Schedule, "finish", noted)
            Program(lines, pg.Variable(1.0, requires_grad=True)).run(pool)
        assert counted == [free_at_first(lines)], lines
        most = max(most, *counted)
    assert most >= 4


@pytest.mark.parametrize("broken", ["effects", "results"])
def test_without_the_edges_the_check_finds_violations(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if broken == "effects":
        monkeypatch.setattr(Chains, "add", lambda *_: {})
    else:
        monkeypatch.setattr(Schedule, "submit", _hasty(Schedule.submit))
    wrong = 0
    for seed in range(200):
        program = Program(program_of(Random(seed), 9), pg.Variable(3.0, requires_grad=True))
        expected = program.run()
        try:
            wrong += program.run(Shuffled(Random(seed), haste=0.0)) != expected
        except Exception:  # noqa: BLE001 - a call without its arguments
            wrong += 1
    assert wrong > 40


def _hasty(submit: Any) -> Any:
    """Begin calls without what they are given."""

    def hasty(self: Any, task: Any, before: Any) -> None:
        task.needs = []
        submit(self, task, before)

    return hasty


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_real_threads_give_the_serial_run(workers: int) -> None:
    for seed in range(25):
        random = Random(1000 + seed)
        lines = program_of(random, random.randint(4, 16))
        x: Any = pg.Variable(3.0, requires_grad=True)
        program = Program(lines, x)
        expected = program.run()
        pauses = Random(seed)
        program.world.pause = lambda pauses=pauses: time.sleep(pauses.random() * 1e-3)
        assert program.run(workers=workers) == expected, (seed, lines)
