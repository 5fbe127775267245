"""What is chosen when nothing is named, and what is known before anything is paid for. Models are scripted (simulated)."""

from __future__ import annotations

from typing import Any

import pytest

import paragrad as pg
from paragrad.errors import UsageError
from paragrad.trainers.auto import algorithm_for, asks_a_model
from paragrad.trainers.preflight import draws, preflight
from paragrad.trainers.statistics import compare, detectable
from tests.faults.trainee import Answers, Logged, metric, rows, trainer


@pytest.mark.parametrize(
    ("validation", "calls", "asks", "name", "why"),
    [
        (200, 5000, False, "minibatch", "proposals cost nothing"),
        (20, 5000, True, "minibatch", "too few to race"),
        (60, 700, True, "minibatch", "small budget"),
        (60, 5000, True, "pareto", "kept and raced"),
        (60, None, True, "pareto", "kept and raced"),
    ],
)
def test_the_algorithm_by_budget_and_data(validation: int, calls: int | None, asks: bool, name: str, why: str) -> None:
    found, reason = algorithm_for(validation=validation, held_out=60, calls=calls, per_row=1, asks=asks)
    assert found == name
    assert why in reason


def test_who_asks_a_model() -> None:
    quiet = pg.optimizers.partition({"text": pg.optimizers.EditSearch(), "demos": pg.optimizers.BootstrapFewShot()})
    assert not asks_a_model(quiet, "fake")
    assert asks_a_model("auto", "fake")
    assert not asks_a_model("auto", None)
    assert asks_a_model(pg.optimizers.partition({"text": "reflect", "demos": "bootstrap"}), "fake")
    assert asks_a_model(pg.optimizers.Reflect(model="fake"), None)


def tidy(text: str) -> str:
    """Without blanks at the ends."""
    return text.strip()


class WithCode(Answers):
    """One of its Parameters is code."""

    def __init__(self) -> None:
        super().__init__()
        self.code = pg.Parameter(tidy, name="code")


def test_code_stays_frozen_and_the_plan_says_why() -> None:
    model = pg.llm.stack(Logged(), cache=False)
    task = pg.Task(
        WithCode(), rows("x", 12), rows("v", 16), metric=metric, model=model, optimizer_model=model, budget="400 calls", journal=False
    )
    plan = task.plan()
    text = "\n".join(plan.reasons)
    assert plan.reasons[0].startswith("minibatch: ")
    assert "BootstrapFewShot for demos" in text
    assert "Reflect for" in text
    assert "code stay frozen: code is not trained before it can be run in a sandbox" in text
    assert "auto   minibatch" in str(plan)
    told: list[Any] = []
    result = pg.fit(
        WithCode(), rows("x", 12), rows("v", 16), metric=metric, model=model, budget="300 calls", journal=False, callbacks=[told.append]
    )
    assert "code" not in result.best.values
    assert [event["frozen"] for event in told if event["event"] == "plan"] == [["code"]]
    with pytest.raises(UsageError, match="no optimizer serves code"):
        pg.fit(WithCode(), rows("x", 12), rows("v", 16), metric=metric, model=model, parameters=["code"], journal=False)


def test_the_plan_is_that_of_the_algorithm_and_says_what_would_be_enough() -> None:
    model = pg.llm.stack(Logged(), cache=False)
    for algorithm in ("minibatch", "pareto", "basic"):
        made: dict[str, Any] = {"metric": metric, "model": model, "algorithm": algorithm, "optimizer": "edit", "journal": False}
        task = pg.Task(Answers(), rows("x", 12), rows("v", 16), rows("t", 8), **made, budget="20 calls")
        with pytest.raises(UsageError, match="give at least") as error:
            task.plan()
        least = int(str(error.value).partition("give at least ")[2].split()[0])
        assert task.trainer(budget=f"{least} calls")
        with pytest.raises(UsageError):
            task.trainer(budget=f"{least - 1} calls")
        plan = pg.Task(Answers(), rows("x", 12), rows("v", 16), rows("t", 8), **made, budget=pg.Budget(tokens=100)).plan()
        assert "give at least about" in plan.notes[0]
        assert "tokens" in plan.notes[0]


def test_what_rows_can_prove_and_what_there_is_to_win() -> None:
    found = preflight([1.0] * 57 + [0.0] * 3)
    assert found.room == pytest.approx(0.05)
    assert found.provable == pytest.approx(detectable(60, base=0.95)) if found.provable else True
    assert "unproven" in found.warning or "cannot prove" in found.warning
    fine = preflight([0.0] * 50 + [1.0] * 10)
    assert fine.warning == ""
    assert fine.provable is not None
    assert 0.1 < fine.provable < 0.3
    assert "cannot prove any gain" in preflight([0.5]).warning
    assert preflight([-3.0, 2.0, 5.0]).room is None
    again = preflight([1.0, 0.0] * 20, [(1.0, 0.0), (0.0, 0.0), (1.0, 1.0), (0.0, 1.0)])
    assert again.again == 4
    assert again.luck == pytest.approx(0.25)
    assert again.noise
    assert again.noise < 0.2


def test_rows_are_asked_twice_only_where_the_model_draws_and_a_tenth_of_the_budget_pays() -> None:
    def train(temperature: float | None, budget: str) -> Any:
        program = Answers()
        if temperature is not None:
            program.answer.request["temperature"] = temperature
        model = pg.llm.stack(Logged(), cache=False)
        return trainer(model, program, journal=False, budget=budget).train()

    assert train(0.7, "400 calls").preflight["again"] == 10
    assert train(None, "400 calls").preflight["again"] == 0
    assert train(0.0, "400 calls").preflight["again"] == 0
    assert train(0.7, "99 calls").preflight["again"] == 0
    assert not draws(Answers(), None)


def test_a_winner_among_many_needs_more_proof() -> None:
    made = trainer(pg.llm.stack(Logged(), cache=False), Answers(), journal=False)
    found = compare([0] * 8 + [1] * 20, [1] * 8 + [1] * 20)
    assert found.significant
    assert made.proves(found, 1)
    assert made.proves(found, 6)
    assert not made.proves(found, 10)
