"""The public edge of a Module: rows at once, async twins, and models or releases held by an object."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

import paragrad as pg
from paragrad import registry
from paragrad.errors import ExecutionError, Outage, ServerFailed, UsageError
from paragrad.trace.failure import Failure


class Doubled(pg.Module):
    """Fails on odd numbers, in plain code."""

    def __init__(self) -> None:
        self.factor: Any = pg.param(2, "the factor")

    def forward(self, n: int, extra: str = "") -> int:
        factor = self.factor.value
        if n % 2:
            raise ValueError(f"{n} is odd")
        return n * int(factor)


class Waiting(pg.Module):
    """An async program."""

    def __init__(self) -> None:
        self.word: Any = pg.param("ok", "the word")

    async def forward(self, n: int) -> str:
        await asyncio.sleep(0)
        if n == 3:
            raise ValueError("three")
        return f"{self.word.value} {n}"


def test_a_failing_row_is_an_error_output() -> None:
    program = Doubled()
    outputs = program.map([0, 1, {"n": 2}, (3,), pg.Row("x", {"n": 4})], workers=3)
    assert [getattr(out, "value", None) for out in outputs[::2]] == [0, 4, 8]
    for place, number in ((1, 1), (3, 3)):
        failure = outputs[place].value
        assert isinstance(failure, Failure)
        assert failure.message == f"{number} is odd"
        assert "raise ValueError" in failure.report
    outputs[1].backward("Odd numbers must work too.")
    assert [g.value for g in program.factor.grad] == ["Odd numbers must work too."]


def test_without_a_graph_it_is_the_error() -> None:
    found = Doubled().predict_many([0, 1, 2])
    assert found[0] == 0
    assert found[2] == 4
    assert isinstance(found[1], ExecutionError)
    assert "1 is odd" in str(found[1])
    assert isinstance(found[1].output.value, Failure)


@pytest.mark.parametrize("workers", [1, 2, 16, None])
def test_order_and_results_do_not_depend_on_workers(workers: int | None) -> None:
    program = Doubled()
    assert program.predict_many(range(0, 200, 2), workers=workers) == list(range(0, 400, 4))
    assert [out.value for out in program.map(range(0, 60, 2), workers=workers)] == list(range(0, 120, 4))  # type: ignore[attr-defined]


@pytest.mark.parametrize("workers", [0, -1, 1.5, True, "4"])
def test_workers_is_a_number_of_rows(workers: Any) -> None:
    with pytest.raises(UsageError, match="workers="):
        Doubled().map([1], workers=workers)


def test_rows_run_at_once() -> None:
    meeting = threading.Barrier(4)

    class Meets(pg.Module):
        def forward(self, n: int) -> int:
            meeting.wait(10)
            return n

    assert Meets().predict_many(range(4), workers=4) == [0, 1, 2, 3]


def test_an_outage_is_no_output() -> None:
    @pg.prompt
    def say(q: str) -> str:
        """Say."""
        ...

    wire = pg.llm.Fake(lambda request: ServerFailed("down") if "2" in str(request.messages[-1]) else "fine")
    with pg.llm.use(pg.llm.stack(wire, retries=0, cache=False)), pytest.raises(Outage):
        say.predict_many(["1", "2", "3"])

    class Away(pg.Module):
        def forward(self, n: int) -> int:
            raise ConnectionError("no route")

    with pytest.raises(ConnectionError):
        Away().map([1])


def test_tables_are_bound_to_the_inputs() -> None:
    class Frame:
        """Behaves like a data frame."""

        columns = ["n", "other"]

        def to_dict(self, orient: str) -> list[dict[str, Any]]:
            return [{"n": 2, "other": "x"}, {"n": 4, "other": "y"}]

    assert Doubled().predict_many(Frame()) == [4, 8]  # type: ignore[arg-type]
    assert Doubled().predict_many(pg.data.rows([{"n": 6, "target": 12}])) == [12]


def test_async_programs() -> None:
    program = Waiting()
    assert program.predict_many([1, 2]) == ["ok 1", "ok 2"]
    outputs: Any = program.map([1, 3])
    assert outputs[0].value == "ok 1"
    assert outputs[1].value.message == "three"

    async def inside() -> Any:
        one: Any = await program.acall(1)
        return one.value, await program.apredict(2), await program.bind(model="fake").apredict(4)

    assert asyncio.run(inside()) == ("ok 1", "ok 2", "ok 4")


def test_many_calls_wait_at_once_beside_a_loop() -> None:
    meeting = threading.Barrier(40)

    class Meets(pg.Module):
        def forward(self, n: int) -> int:
            meeting.wait(20)
            return n

    async def inside() -> Any:
        return await asyncio.gather(*(Meets().apredict(n) for n in range(40)))

    assert asyncio.run(inside()) == list(range(40))

    async def cancelled() -> None:
        release = threading.Event()

        class Waits(pg.Module):
            def forward(self) -> bool:
                return release.wait(10)

        task = asyncio.create_task(Waits().acall())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        release.set()

    asyncio.run(cancelled())


def test_errors_of_a_call_beside_a_loop_are_its_own() -> None:
    class Stops(pg.Module):
        def forward(self, n: int) -> Iterator[int]:
            raise StopIteration(n)

    with pytest.raises(ValueError, match="3 is odd"):
        asyncio.run(Doubled().acall(3))
    with pytest.raises(RuntimeError, match="StopIteration"):
        asyncio.run(Stops().acall(3))


@pg.prompt
def route(ticket: str) -> Literal["billing", "bug"]:
    """Decide."""
    ...


def named(name: str) -> Any:
    return pg.llm.stack(pg.llm.Fake(lambda request: name), cache=False)


def test_a_bound_program_holds_its_model_in_every_thread() -> None:
    live = {name: route.bind(model=named(name)) for name in ("billing", "bug")}

    def ask(name: str, got: list[str]) -> None:
        got.extend(live[name].predict(str(n)) for n in range(20))

    found: dict[str, list[str]] = {name: [] for name in live}
    workers = [threading.Thread(target=ask, args=(name, found[name])) for name in live]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert found == {name: [name] * 20 for name in live}
    assert live["bug"].map(["a"])[0].value == "bug"  # type: ignore[attr-defined]
    assert live["bug"].instruction is route.instruction
    assert repr(live["bug"]).endswith("bound to model=fake")
    with pytest.raises(AttributeError):
        _ = live["bug"].nothing


class Kept(pg.Module):
    """A program whose Parameter lives in a store."""

    def __init__(self, store: Any) -> None:
        self.answer = pg.Generator(pg.Parameter("Decide.", name="instruction", store=store), inputs=["ticket"])

    def forward(self, ticket: str) -> str:
        return self.answer(ticket=ticket)


def test_a_bound_program_holds_its_release_and_follows_its_tag(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/x.db"
    store = pg.stores.open(url)
    program = Kept(store)
    program.named_parameters()
    first = store.release("route")
    store.tag(first, "production")
    program.answer.instruction.data = "Decide well."
    second = store.release("route")
    echo = pg.llm.stack(pg.llm.Fake(lambda request: str(request.messages[0]["content"])), cache=False)
    live = program.bind(model=echo, release=f"{url}#route@production", refresh=0.0)
    once = program.bind(model=echo, release=f"{url}#route@production")
    assert [live.predict("x"), once.predict("x"), program.bind(model=echo).predict("x")] == ["Decide.", "Decide.", "Decide well."]
    store.tag(second, "production", expect=first)
    assert live.predict("x") == "Decide well."
    assert once.predict("x") == "Decide."
    assert list(live.stream("x")) == ["Decide well."]
    assert live.map(["x"])[0].value == "Decide well."  # type: ignore[attr-defined]
    once.save(tmp_path / "saved")
    assert (tmp_path / "saved" / "instruction.md").read_text() == "Decide."


def test_a_store_that_is_away_for_a_moment_leaves_the_last_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path}/x.db"
    store = pg.stores.open(url)
    program = Kept(store)
    program.named_parameters()
    store.tag(store.release("route"), "production")
    echo = pg.llm.stack(pg.llm.Fake(lambda request: str(request.messages[0]["content"])), cache=False)
    live = program.bind(model=echo, release=f"{url}#route@production", refresh=0.0)
    assert live.predict("x") == "Decide."

    def away(url: str) -> Any:
        raise OSError("disk away")

    monkeypatch.setitem(registry.facets._found, "open_store", away)
    heard: list[Any] = []
    off = pg.on("warning", heard.append)
    assert live.predict("x") == "Decide."
    off()
    assert "its last values stay in use: disk away" in heard[0]["text"]
    with pytest.raises(OSError, match="disk away"):
        program.bind(model=echo, release=f"{url}#route@production").predict("x")
