"""``evaluate`` and ``plan``: what they count, what they refuse, what they leave alone; and what a plain function reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest

import paragrad as pg
from paragrad.errors import BudgetExceeded, DataError, MetricError, Outage, UsageError
from paragrad.runs.discovery import parameters_read_by

ROWS = [{"ticket": f"ticket {i}", "target": "billing" if i % 2 else "bug"} for i in range(40)]


@pg.prompt(demos=2)
def route(ticket: str) -> Literal["billing", "bug"]:
    """Decide. Be quick."""
    ...


def exact(output: Any, target: Any) -> bool:
    return bool(output == target)


def test_evaluate_scores_every_row_once_and_changes_nothing() -> None:
    made: Any = route
    before = made.state_dict()
    wire = pg.llm.Fake(lambda request: "billing")
    found = pg.evaluate(made, ROWS, metric=exact, model=wire, workers=4)
    assert found.score == 0.5
    assert wire.calls == found.spent["calls"] == 40
    low, high = found.interval
    assert low < 0.5 < high
    assert [item.score for item in found.items] == [float(i % 2) for i in range(40)]
    assert made.state_dict() == before
    assert "50.0 %" in str(found)


def test_evaluate_tells_failures_of_program_metric_and_world_apart() -> None:
    with pytest.raises(Outage, match="got no answer"):
        pg.evaluate(route, ROWS, metric=exact, model=pg.llm.stack(pg.llm.Fake([pg.errors.BadRequest("no")]), cache=False, retries=0))
    with pytest.raises(MetricError, match="on row"):
        pg.evaluate(route, ROWS, metric=lambda output: None, model=pg.llm.Fake(lambda request: "bug"))
    found = pg.evaluate(route, ROWS, metric=exact, model=pg.llm.Fake(lambda request: "the weather"))
    assert found.score == 0.0
    assert {item.status for item in found.items} == {"error"}
    with pytest.raises(BudgetExceeded):
        pg.evaluate(route, ROWS, metric=exact, model=pg.llm.Fake(lambda request: "bug"), budget="10 calls")
    with pytest.raises(DataError, match="'ticket' is not a column"):
        pg.evaluate(route, [{"text": "x", "target": "bug"}], metric=exact, model=pg.llm.Fake(lambda request: "bug"))


def test_a_plan_costs_nothing_and_is_kept() -> None:
    wire = pg.llm.Fake(lambda request: "billing")
    task = pg.Task(route, ROWS, metric=exact, model=wire, budget="600 calls", journal=False, progress=False)
    plan = task.plan()
    assert wire.calls == 0
    assert plan.calls[0] <= plan.calls[1] <= 600
    result = task.fit()
    assert plan.calls[0] <= result.spent["calls"] <= plan.calls[1]
    assert "600" in str(plan)


def test_the_metrics_own_calls_are_counted_and_bounded() -> None:
    judge_wire = pg.llm.Fake(lambda request: "yes")
    judge_model = pg.llm.stack(judge_wire, cache=False)

    def judged(output: Any) -> bool:
        return judge_model(f"Is {output} right?") == "yes"

    wire = pg.llm.Fake(lambda request: "billing")
    result = pg.fit(route, ROWS, metric=judged, model=wire, budget="300 calls", journal=False, progress=False, apply=False)
    assert wire.calls + judge_wire.calls <= 300
    assert result.spent["phases"]["guide"]["calls"] == judge_wire.calls
    assert result.test is not None, "the metric's calls are counted, so the held-out test is still paid for"
    with pytest.raises(UsageError, match="a budget of 200 calls does not reach one round"):
        pg.fit(route, ROWS, metric=judged, model=wire, budget="200 calls", journal=False, progress=False, apply=False)


WORDS: Any = pg.Parameter("Decide.", name="words")
INNER: Any = pg.Generator("Answer.", inputs=["ticket"])


def helped(ticket: str) -> Any:
    return f"{WORDS} {ticket}"


def program(ticket: str) -> Any:
    """A plain function that reads Parameters itself and through a helper."""
    return INNER(ticket=helped(ticket))


def test_what_a_plain_function_reads() -> None:
    found = {p.id for p in parameters_read_by(program)}
    assert "words" in found
    assert len(found) == 2
    local: Any = pg.Parameter("Local.", name="local")

    def closed(ticket: str) -> Any:
        return next(INNER(ticket=f"{local} {part}") for part in [ticket])

    assert {p.id for p in parameters_read_by(closed)} >= {"local"}
    result = pg.fit(
        closed, ROWS, metric=exact, model=pg.llm.Fake(lambda request: "bug"), budget="300 calls", journal=False, progress=False, apply=False
    )
    assert "local" in result.best.values


def test_publishing_to_a_store_is_one_commit_and_is_not_done_twice(tmp_path: Path) -> None:
    from tests.faults.trainee import Answers, Logged, trainer

    url = f"sqlite:///{tmp_path}/p.db"
    result = trainer(pg.llm.stack(Logged(), cache=False), Answers(), journal=False, store=url).train()
    assert result.significant
    store = pg.stores.open(url)
    commit = store.commit()
    assert {id: store.get_parameter_value(id) for id in store.ids()} == dict(result.best.values)
    release = result.publish(url, "answers")
    assert release == "answers@1"
    assert {store.history(id)[-1].version for id in store.ids()} <= set(range(commit + 1))
