"""M11–M14: effects, program order per resource, ``depend``, hidden state (seed 001, "Dependency Control")."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import Counter
from contextlib import closing, nullcontext
from pathlib import Path
from random import Random
from typing import Any

import pytest

import paragrad as pg
from paragrad.errors import UsageError
from tests.trace.schedules import Program, Shuffled, program_of


def test_M11_effects_are_declared_and_can_be_queried() -> None:
    weight = pg.Parameter(1.0, name="weight")

    @pg.bundle(effects=(pg.reads("cache", weight), pg.writes("index"), pg.io("console")))
    def declared(x: Any) -> Any:
        return x

    found: Any = pg.effects(declared)
    assert [str(e) for e in found] == ["read:cache", "read:weight", "write:index", "io:console"]
    assert (found.reads, found.writes, found.io) == (("cache", weight), ("index",), ("console",))
    assert pg.effects(declared(weight).grad_fn) == found
    assert pg.effects(pg.bundle(lambda: 0)) is None, "undeclared"
    assert pg.effects(pg.bundle(lambda: 0, effects=())) == (), "none"
    assert pg.effects(pg.op(lambda x: x)) == ()
    assert pg.effects(pg.bundle(lambda: 0, effects=("read:a", "write:b", "io:c"))) == (*pg.reads("a"), *pg.writes("b"), *pg.io("c"))
    assert pg.effects(pg.bundle(lambda: 0, effects="io:log")) == ("io:log",)
    assert pg.effects(pg.Generator("Say.")) == ()
    with pytest.raises(AttributeError):
        found[0].kind = "write"


@pytest.mark.parametrize("wrong", ["cache", "reads cache", "own:x", "read:", 3, [None], {"read": "x"}, object()])
def test_M11_a_wrong_effect_is_refused_with_the_form(wrong: Any) -> None:
    with pytest.raises(UsageError, match=r'pg\.reads\("x"\)'):
        pg.bundle(lambda: 0, effects=wrong)


@pytest.mark.parametrize(
    "make", [lambda: pg.reads(), lambda: pg.writes(3), lambda: pg.reads(pg.Variable(1)), lambda: pg.io(pg.Parameter(1.0))]
)
def test_M11_a_wrong_resource_is_refused(make: Any) -> None:
    with pytest.raises(UsageError, match=r'pg\.writes\("x"\)'):
        make()


def test_M11_a_write_inside_an_evaluation_stays_in_its_overlay() -> None:
    count = pg.Parameter(1.0, name="count")

    def more() -> float:
        count.data = count.value + 1.0
        return float(count.value)

    step = pg.bundle(more, effects=pg.writes(count))
    for parallel in (False, True):
        with pg.overlay({count: 5.0}):
            if parallel:
                with pg.parallel():
                    made = [step() for _ in range(3)]
                    assert count.value == 8.0, "what follows a declared write sees it"
            else:
                made = [step() for _ in range(3)]
            assert [m.value for m in made] == [6.0, 7.0, 8.0]
            assert count.value == 8.0
        assert count.value == 1.0


def test_M12_effects_keep_program_order_per_resource_and_the_rest_overlaps() -> None:
    """1,000 shuffled schedules of random programs (10,000: tests/trace/test_parallel_schedules.py)."""
    overlapped = 0
    for seed in range(100):
        program = Program(program_of(Random(seed), 6), pg.Variable(3.0, requires_grad=True))
        expected = program.run()
        for n in range(10):
            pool = Shuffled(Random(f"{seed}.{n}"), haste=0.1)
            assert program.run(pool) == expected, (seed, n)
            overlapped += pool.most > 1
    assert overlapped > 300


def test_M12_real_threads_overlap_on_eight_resources_and_not_on_one() -> None:
    now, most, order, lock = [0], [0], [], threading.Lock()
    together = threading.Barrier(8)

    def work(i: int, meet: bool) -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
            order.append(i)
        if meet:
            together.wait(20)
        else:
            time.sleep(0.001)
        with lock:
            now[0] -= 1

    def run(names: list[str], meet: bool) -> tuple[int, list[int]]:
        most[0] = 0
        order.clear()
        with pg.parallel(8):
            for i, name in enumerate(names):
                pg.bundle(work, effects=(pg.reads("shared"), pg.writes(name)))(i, meet)
        return most[0], list(order)

    assert run([f"r{i}" for i in range(8)], meet=True)[0] == 8
    assert run(["one"] * 8, meet=False) == (1, list(range(8)))


def test_M12_the_record_of_a_run_is_that_of_the_serial_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARAGRAD_HOME", str(tmp_path))

    @pg.prompt
    def say(text: str) -> str:
        """Say it."""
        ...

    both = pg.bundle(lambda a, b: f"{a}|{b}", effects=())

    class Program(pg.Module):
        def __init__(self, parallel: bool) -> None:
            self.say = say
            self.parallel = parallel

        def forward(self, text: str) -> Any:
            with pg.parallel(4) if self.parallel else nullcontext():
                a, b = self.say(text + " a"), self.say(text + " b")
                return both(a.upper(), self.say(a + b))

    def metric(output: str, target: str) -> tuple[float, str]:
        return float(target in output), "say more"

    scripted = pg.llm.Fake(lambda request: request.messages[-1]["content"][-4:])
    records = []
    for parallel, workers in ((False, 1), (True, 1), (True, 8)):
        rows = [{"text": f"t{i}", "target": str(i % 3)} for i in range(8)]
        run = f"{parallel}{workers}"
        options: Any = {"model": scripted, "optimizer_model": scripted, "optimizer": "opro", "budget": "120 calls", "progress": None}
        pg.fit(Program(parallel), rows, metric=metric, workers=workers, run=run, apply=False, **options)
        (journal,) = tmp_path.glob(f"runs/*{run}/journal.db")
        with closing(sqlite3.connect(journal)) as connection:
            rows_of = connection.execute("select coordinate, kind, phase, request_sha256 from event").fetchall()
        records.append(Counter(row for row in rows_of if row[1] == "model"))
    assert records[0].total() > 40
    assert records[1] == records[2] == records[0]


def test_M13_depend_is_the_value_and_the_gradient_flows_to_it_alone() -> None:
    a, b = pg.Variable(3.0, requires_grad=True), pg.Variable(5.0, requires_grad=True)
    for pool in (None, Shuffled(Random(0), haste=0.0)):
        a.grad, b.grad = None, None
        if pool is None:
            out: Any = pg.depend(a * 2.0, b * 7.0) * 10.0
        else:
            slow = pg.bundle(lambda x: x, effects=(), catch=False)
            with pg.parallel(pool=pool):
                made = slow(b)
                out = pg.depend(a * 2.0, made) * 10.0
        out.backward()
        assert out.value == 60.0
        assert [g.value for g in a.grad] == [20.0]
        assert not b.grad, "order only"


def test_M13_whatever_consumes_the_result_runs_after_the_others_also_a_model_call() -> None:
    log: list[str] = []
    lock = threading.Lock()

    def note(name: str, x: Any = None) -> Any:
        with lock:
            log.append(name)
        return x

    prepare = pg.bundle(lambda: (time.sleep(0.01), note("prepared"))[1], effects=())
    consume = pg.bundle(lambda x: note("consumed", x), effects=())
    ask = pg.Generator("Say.", inputs=["text"], model=pg.llm.Fake(lambda request: note("asked", "fine")))
    for _ in range(5):
        log.clear()
        with pg.parallel():
            text = pg.depend("hello", prepare())
            consume(text)
            ask(text)
        assert log[0] == "prepared"
        assert sorted(log[1:]) == ["asked", "consumed"]
    with pytest.raises(TypeError, match="depend waits for Variables"):
        pg.depend(1.0, 2.0)


class Unit:
    """A machine with a flag that nobody declares: alloc, clear, compute (raises the flag on overflow), get."""

    def __init__(self, random: Random) -> None:
        self.flags: dict[str, bool] = {}
        self.log: list[str] = []
        pause = random.random
        self.sleep = lambda: time.sleep(pause() * 2e-4)
        self.alloc = pg.bundle(self._alloc, effects=())
        self.clear = pg.bundle(self._clear, effects=())
        self.compute = pg.bundle(self._compute, effects=())
        self.get = pg.bundle(self._get, effects=())

    def _alloc(self) -> str:
        self.sleep()
        self.log.append("alloc")
        self.flags["flag"] = True  # what a register holds before it is cleared
        return "flag"

    def _clear(self, name: str) -> str:
        self.sleep()
        self.log.append("clear")
        self.flags[name] = False
        return name

    def _compute(self, x: float) -> float:
        self.sleep()
        self.log.append("compute")
        if x > 100.0:
            self.flags["flag"] = True
        return x * 2.0

    def _get(self, name: str) -> bool:
        self.sleep()
        self.log.append("get")
        return self.flags[name]


ORDER = ["alloc", "clear", "compute", "get"]


def chained(unit: Unit, x: Any) -> tuple[Any, Any]:
    """The document's pattern, edge by edge."""
    status = pg.depend(unit.alloc(), x)
    cleared = unit.clear(status)
    out = unit.compute(pg.depend(x, cleared))
    return out, unit.get(pg.depend(status, out))


def helped(unit: Unit, x: Any) -> tuple[Any, Any]:
    """The same by the helper."""
    status, x = pg.ordered([unit.alloc, unit.clear], x)
    out = unit.compute(x)
    return out, unit.get(pg.depend(status, out))


def loose(unit: Unit, x: Any) -> tuple[Any, Any]:
    """Without edges."""
    status = unit.alloc()
    unit.clear("flag")
    return unit.compute(x), unit.get(status)


def violations(pattern: Any, schedules: int) -> int:
    wrong = 0
    for seed in range(schedules):
        unit = Unit(Random(seed))
        if seed % 2:
            unit.sleep = lambda: None
        pool = Shuffled(Random(seed), haste=0.3) if seed % 2 else None
        value = 150.0 if seed % 3 else 50.0
        with pg.parallel(4, pool=pool):
            out, flag = pattern(unit, pg.Variable(value, requires_grad=True))
        wrong += unit.log != ORDER or out.value != value * 2.0 or flag.value != (value > 100.0)
    return wrong


def test_M14_hidden_state_is_ordered_by_depend_alone() -> None:
    assert violations(chained, 200) == 0
    assert violations(helped, 200) == 0
    assert violations(loose, 60) > 20, "the check can fail"


def test_M14_the_helper_returns_status_and_rewired_input() -> None:
    unit = Unit(Random(0))
    x = pg.Variable(2.0, requires_grad=True)
    status, rewired = pg.ordered([unit.alloc, unit.clear], x)
    assert unit.log == ["alloc", "clear"]
    assert status.value == "flag"
    out: Any = rewired * 3.0
    out.backward()
    assert [g.value for g in x.grad] == [3.0]
    single, again = pg.ordered(unit.alloc, 5.0)
    assert (single.value, again.value) == ("flag", 5.0)  # type: ignore[attr-defined]
    for wrong in ([], 3, "alloc", [unit.alloc, 3]):
        with pytest.raises(UsageError, match="ordered"):
            pg.ordered(wrong, x)
