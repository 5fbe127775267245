"""pg.parallel: what is pending, what waits, what fails, and what is as if nothing had run at once. Models are scripted (simulated)."""

from __future__ import annotations

import asyncio
import copy
import gc
import pickle
import threading
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
import pytest

import paragrad as pg
from paragrad.context import Coordinate, Scope, current_scope, scope
from paragrad.errors import BudgetExceeded, ExecutionError, UsageError
from paragrad.llm.fanout import FanOut
from paragrad.trace.escapes import watch
from paragrad.trace.pending import Pending
from paragrad.trace.state import within
from tests.trace.schedules import Shuffled, shape


@pg.bundle(effects=())
def same(x: Any) -> Any:
    """The argument."""
    return x


@pg.bundle(effects=())
def failing(x: Any) -> Any:
    """Always fails."""
    raise ValueError(f"no {x}")


class Gate:
    """An operation that ends when it is let go."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.begun = threading.Event()
        self.call: Any = pg.bundle(self._wait, effects=())

    def _wait(self, x: Any) -> Any:
        self.begun.set()
        assert self.open.wait(20)
        return x


READS: dict[str, Callable[[Any], Any]] = {
    "value": lambda v: v.value,
    "bool": bool,
    "len": len,
    "str": str,
    "format": lambda v: f"{v:>9}",
    "iteration": lambda v: [c.value for c in v],
    "in": lambda v: "b" in v,
    "requires_grad": lambda v: v.requires_grad,
    "name": lambda v: v.name,
    "grad_fn": lambda v: v.grad_fn.name,
    "copy": lambda v: copy.copy(v).value,
    "pickle": lambda v: pickle.loads(pickle.dumps(v)).value,
    "array": lambda v: np.asarray(v).tolist(),
    "type": lambda v: (v.value, type(v).__name__),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_a_read_waits_and_gives_what_a_serial_run_gives(read: Callable[[Any], Any]) -> None:
    x = pg.Variable("abc", requires_grad=True)
    gate = Gate()
    with pg.parallel():
        made = gate.call(x)
        assert repr(made).startswith("variable(<"), "looking at it in a debugger does not wait"
        assert type(made) is Pending
        assert isinstance(made, pg.Variable)
        assert not isinstance(made, pg.Parameter)
        assert gate.begun.wait(20)
        threading.Timer(0.01, gate.open.set).start()
        found = read(made)
    assert found == read(gate.call(x))


STEPS: dict[str, Callable[[Any, Any], Any]] = {
    "a + b": lambda a, b: a + b,
    "plain + a": lambda a, b: "x" + a,
    "variable + a": lambda a, b: b + a,
    "a < b": lambda a, b: a < b,
    "b < a": lambda a, b: b < a,
    "a == b": lambda a, b: a == b,
    "a[0]": lambda a, b: a[0],
    "a[:b]": lambda a, b: a[: same(2)],
    "a.upper()": lambda a, b: a.upper(),
    "a.replace()": lambda a, b: a.replace("a", b),
    "b.replace(a)": lambda a, b: b.replace("x", a),
    "length": lambda a, b: a.length() * 2 - 1,
    "contains": lambda a, b: a.contains("b"),
    "format": lambda a, b: pg.format("{p}-{q}", p=a, q=b),
    "depend": lambda a, b: pg.depend(b, a),
    "chain": lambda a, b: (a + "!" + b).title().split("!")[0],
    "bundle": lambda a, b: same([a, {"k": (b, a)}])[1]["k"],
}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_an_operator_on_a_pending_value_waits_for_nothing_and_records_the_same(step: Callable[[Any, Any], Any]) -> None:
    a, b = pg.Variable("abc", requires_grad=True), pg.Variable("xb", requires_grad=True)
    pool = Shuffled(Random(0), haste=0.0)
    with pg.parallel(pool=pool):
        made = step(same(a), b)
        assert len(pool.ready) >= 1, "the call has not even begun"
        assert type(made) is Pending
    expected = step(same(a), b)
    assert shape(made) == shape(expected)
    assert type(made) is type(expected) is pg.Variable


def test_operators_in_place_do_not_wait_either() -> None:
    def program(x: Any) -> list[Any]:
        early = x + 1.0
        total: Any = x * 1.0
        alias = total
        for k in range(3):
            total += same(x)
            total *= 2.0
            early = same(total) + k
        return [total, alias, early]

    x = pg.Variable(2.0, requires_grad=True)
    expected = program(x)
    with pg.parallel(pool=Shuffled(Random(0), haste=0.0)) as block:
        made = program(x)
        assert block._open, "nothing was waited for"
    assert [shape(m) for m in made] == [shape(e) for e in expected]
    assert made[0] is made[1]


def test_arguments_are_those_of_the_call() -> None:
    buffer, items, v = np.zeros(2), [1.0], pg.Variable(1.0)
    pool = Shuffled(Random(0), haste=0.0)
    with pg.parallel(pool=pool):
        made = [same(buffer), same(items), same(v)]
        buffer[:] = 7.0
        items.append(7.0)
        v.data = 7.0
        v += 1.0
    assert made[0].value.tolist() == [0.0, 0.0]
    assert [m.value for m in made[1:]] == [[1.0], 1.0]


def test_a_failure_is_raised_where_it_is_read_and_once_for_all() -> None:
    seen: list[str] = []
    with pg.parallel():
        first = failing(1)
        after = same(first + 1.0)
        fine = same(3.0)
        for value in (after, first, first):
            with pytest.raises(ExecutionError, match="no 1") as caught:
                _ = value.value
            seen.append(str(caught.value.output.value))
            assert any("test_parallel.py" in note for note in caught.value.__notes__), "where the call was made"
    assert fine.value == 3.0
    assert len(set(seen)) == 1


def test_what_nobody_read_is_raised_at_the_end_the_first_in_program_order() -> None:
    made: list[Any] = []

    def program(seed: int) -> None:
        with pg.parallel(pool=Shuffled(Random(seed))):
            failing(1)
            failing(2)
            made.append(same(5.0))

    for seed in range(20):
        with pytest.raises(ExecutionError, match="no 1"):
            program(seed)
        assert made[-1].value == 5.0, "everything was waited for"


def test_a_call_that_needs_a_failed_one_is_not_made() -> None:
    made: list[Any] = []
    keep = pg.bundle(lambda x: made.append(x), effects=())
    ordered_only = pg.bundle(lambda: made.append("ran"), effects=pg.io("log"))
    log_fails = pg.bundle(lambda: 1 / 0, effects=pg.io("log"))

    def program() -> None:
        with pg.parallel():
            keep(failing(1))
            keep(pg.depend(1.0, failing(2)))
            log_fails()
            ordered_only()

    with pytest.raises(ExecutionError, match="no 1"):
        program()
    assert made == ["ran"], "order by effects is order only"


def test_an_exception_that_leaves_the_block_is_not_replaced_and_all_calls_are_made() -> None:
    ran: list[int] = []
    note = pg.bundle(lambda i: ran.append(i), effects=())

    def program() -> None:
        with pg.parallel(pool=Shuffled(Random(0), haste=0.0)):
            failing(1)
            for i in range(3):
                note(i)
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        program()
    assert sorted(ran) == [0, 1, 2]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_cancels_what_has_not_begun(stop: type[BaseException]) -> None:
    gate, ran = Gate(), []
    note = pg.bundle(lambda i: ran.append(i), effects=())
    made: list[Any] = []

    def program() -> None:
        with scope(Scope(Coordinate())), pg.parallel(1):
            made.append(gate.call(1))
            made.extend(note(i) for i in range(5))
            assert gate.begun.wait(20)
            raise stop

    with pytest.raises(stop):
        program()
    gate.open.set()
    with pytest.raises(RuntimeError, match="was not run: its block was left by"):
        _ = made[-1].value
    assert made[0].value == 1, "what had begun goes on"
    assert ran == []


def test_an_error_that_ends_the_run_cancels_what_has_not_begun() -> None:
    ran: list[int] = []

    def broke() -> None:
        raise BudgetExceeded("no money")

    note, spend = pg.bundle(lambda i: ran.append(i), effects=()), pg.bundle(broke, effects=())

    def program() -> None:
        with pg.parallel(1):
            spend()
            for i in range(50):
                note(i)

    with pytest.raises(BudgetExceeded):
        program()
    assert ran == []


def test_a_wait_inside_a_call_gives_up_its_slot() -> None:
    with pg.parallel(1):
        a = same(1.0)
        held = [a, same(2.0)]
        outside: Any = pg.bundle(lambda: sum(v.value for v in held) + inner(), effects=())

        def inner() -> float:
            with pg.parallel(1):
                x = same(3.0)
                return float(same(x).value)

        total = outside()
        assert total.value == 6.0


def test_blocks_inside_blocks_keep_one_order() -> None:
    log: list[Any] = []
    note = pg.bundle(lambda i: log.append(i), effects=pg.writes("log"))
    other = pg.bundle(lambda i: log.append(i), effects=pg.writes("other"))
    for seed in range(30):
        log.clear()
        pool = Shuffled(Random(seed), haste=0.2)
        with pg.parallel(pool=pool):
            other("a")
            for i in range(3):
                note(i)
            with pg.parallel(pool=pool):
                for i in range(3, 6):
                    note(i)
            other("b")
            note(6)
        assert [i for i in log if isinstance(i, int)] == list(range(7))
        assert [i for i in log if isinstance(i, str)] == ["a", "b"]


def test_a_long_chain_is_walked_without_recursion() -> None:
    with pg.parallel(2):
        x: Any = same(0.0)
        y: Any = same(0.0)
        for _ in range(3000):
            x = x + 1.0
        for _ in range(300):
            y = same(y) + 1.0
    assert (x.value, y.value) == (3000.0, 300.0)


def test_nothing_but_the_result_is_kept() -> None:
    class Big:
        pass

    big = Big()
    gone = weakref.ref(big)
    with pg.parallel() as block:
        out = pg.bundle(lambda x: 1.0, effects=(), catch=False)(pg.Variable(big, space=pg.Opaque()).value)
        held = out + 1.0
    assert not block._open
    del big, out
    gc.collect()
    assert gone() is None
    assert held.value == 2.0


SEEN: ContextVar[str] = ContextVar("seen", default="outside")


def test_context_variables_go_with_the_call() -> None:
    tell = pg.bundle(lambda: SEEN.get(), effects=())
    with pg.parallel():
        token = SEEN.set("inside")
        made = tell()
        SEEN.reset(token)
    assert made.value == "inside"


def test_threads_of_the_users_own_run_calls_as_they_are() -> None:
    found: list[Any] = []
    with pg.parallel():
        shared = same(1.0)
        thread = threading.Thread(target=pg.carry(lambda: found.append((type(same(2.0)), (shared + 1.0).value))))
        thread.start()
        thread.join()
    assert found == [(pg.Variable, 2.0)]


def test_async_bundles_overlap_and_a_program_may_await_them() -> None:
    together = threading.Barrier(3)

    @pg.bundle(effects=())
    async def meet(x: float) -> float:
        await asyncio.sleep(0)
        together.wait(20)
        return x + 1.0

    async def program() -> list[float]:
        with pg.parallel(3):
            a, b = await asyncio.gather(meet(1.0), meet(2.0))
            c = await meet(3.0)
            return [(a + b).value, c.value]  # type: ignore[attr-defined]

    assert asyncio.run(program()) == [5.0, 4.0]


# --- programs with models ------------------------------------------------------------------------------


@dataclass
class Person:
    """An answer with a field that is also a name of Variable's."""

    name: str
    age: int


def scripted() -> Any:
    return pg.llm.Fake(lambda request: '{"name": "Ada", "age": 36}' if request.schema else request.messages[-1]["content"][-3:])


@pg.prompt
def person(text: str) -> Person:
    """Read it."""
    ...


@pg.prompt
def word(text: str) -> str:
    """Say a word."""
    ...


class Team(pg.Module):
    """Several calls, some depending on others."""

    def __init__(self) -> None:
        self.person = person
        self.word = word
        self.tone = pg.Parameter("kind", name="tone")

    def forward(self, text: str, parallel: bool = True) -> Any:
        if not parallel:
            return self._answer(text)
        with pg.parallel(8):
            return self._answer(text)

    def _answer(self, text: str) -> Any:
        words = [self.word(f"{text} {i}") for i in range(3)]
        who = self.person(words[1] + words[0])
        plain = f"{self.tone}: {text}"
        last = self.word(same(words[2]) + plain)
        return pg.format("{a} {b} {c}", a=who.name.upper(), b=last, c=who.age)


def described(out: Any) -> Any:
    return [row[1:] for row in shape(out)]


def test_a_program_gives_graph_gradients_coordinates_and_escapes_of_its_serial_run(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []
    call = FanOut._call

    def noted(self: Any, request: Any, at: Any, coordinate: Any, *rest: Any) -> Any:
        asked.append((request.messages[-1]["content"], str(coordinate)))
        return call(self, request, at, coordinate, *rest)

    monkeypatch.setattr(FanOut, "_call", noted)
    team = Team()
    runs = []
    with pg.llm.use(scripted()):
        for parallel in (False, True, True, True):
            asked.clear()
            heard: list[Any] = []
            steps: list[Any] = []
            with scope(Scope(Coordinate(item=4))), watch() as seen, within(steps=steps), pg.hooks.recording(heard.append):
                out: Any = team("hello", parallel=parallel)
            out.backward("be brief")
            grads = {p.id: [g.value for g in p.grad] for p in team.parameters()}
            for p in team.parameters():
                p.zero_grad()
            escapes = [(e.label, e.where) for e in seen.escapes]
            runs.append(
                (described(out), out.value, grads, sorted(asked), escapes, [repr(v.grad_fn) for v in heard], [s.component for s in steps])
            )
    assert runs[0][1].startswith("ADA ")
    assert len(runs[0][3]) == 5
    assert runs[0][2]["word.instruction"]
    for run in runs[1:]:
        assert run == runs[0]


def test_rows_of_a_map_run_such_programs_also_with_one_worker() -> None:
    team = Team()
    with pg.llm.use(scripted()):
        expected = [team(t, parallel=False).value for t in ("abc", "def")]
        assert [out.value for out in team.map(["abc", "def"], workers=1)] == expected
        assert [out.value for out in team.map(["abc", "def"], workers=4)] == expected
        assert team.predict_many(["abc", "def"], workers=2) == expected
        assert team.predict("abc") == expected[0]


def test_calls_of_models_overlap_those_with_undeclared_tools_do_not() -> None:
    most, now, lock = [0], [0], threading.Lock()
    together = threading.Barrier(4)

    def reply(request: Any) -> str:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        if not request.tools:
            together.wait(20)
        with lock:
            now[0] -= 1
        return "ok"

    def look(x: str) -> str:
        """Look it up."""
        return x

    free = pg.Generator("Say.", inputs=["text"])
    undeclared = pg.Generator("Say.", inputs=["text"], tools=[look])
    harmless = pg.Generator("Say.", inputs=["text"], tools=[pg.tool(effects=())(look)])
    assert (pg.effects(free), pg.effects(undeclared), pg.effects(harmless)) == ((), None, ())
    with pg.llm.use(pg.llm.Fake(reply)):
        with pg.parallel(4):
            for i in range(4):
                free(f"{i}")
        assert most == [4]
        most[0] = 0
        with pg.parallel(4):
            for i in range(4):
                undeclared(f"{i}")
        assert most == [1]


def test_a_module_called_in_a_block_is_not_waited_for() -> None:
    class Inner(pg.Module):
        def forward(self, x: Any) -> Any:
            return same(x) + "!"

    def program(inner: Inner) -> Any:
        return inner(inner("a"))

    pool = Shuffled(Random(0), haste=0.0)
    with pg.parallel(pool=pool):
        out = program(Inner())
        assert type(out) is Pending
    assert shape(out) == shape(program(Inner()))


def test_workers_must_be_a_number() -> None:
    for workers in (0, -1, True, "4", 2.0):
        with pytest.raises(UsageError, match="workers"), pg.parallel(workers):  # type: ignore[arg-type]
            pass


def test_scopes_of_calls_never_meet() -> None:
    at = Scope(Coordinate())
    seen: list[str] = []

    def effect(n: int) -> None:
        here = current_scope()
        assert here is not None
        seen.extend(str(here.coordinate()) for _ in range(n))

    effects = pg.bundle(effect, effects=())
    with scope(at):
        for _ in range(2):
            with pg.parallel():
                for n in range(3):
                    effects(n)
                at.coordinate()
            seen.append(str(at.child().coordinate()))
            seen.append(str(at.child().child().coordinate()))
    assert len(set(seen)) == len(seen) == 2 * 3 + 4


def test_a_declared_write_of_a_parameter_comes_after_those_that_read_it_and_before_what_follows() -> None:
    seen: list[str] = []

    def reply(request: Any) -> str:
        text = str(request.messages[0]["content"])
        seen.append("new" if "new words" in text else "old")
        return "ok"

    asker = pg.Generator(pg.Parameter("old words", name="asker.instruction"), inputs=["text"])

    def change() -> None:
        asker.instruction.data = "new words"

    write = pg.bundle(change, effects=pg.writes(asker.instruction))
    taken = pg.bundle(lambda text: text, effects=())
    with pg.llm.use(pg.llm.Fake(reply)):
        for seed in range(20):
            asker.instruction.data = "old words"
            seen.clear()
            with pg.parallel(pool=Shuffled(Random(seed), haste=0.1)):
                for i in range(3):
                    asker(f"{i}")
                before = taken(asker.instruction)
                write()
                after = taken(asker.instruction)
                asker("last")
            assert seen == ["old"] * 3 + ["new"]
            assert (before.value, after.value) == ("old words", "new words")
