"""T12, T13, T16: choices that are made and explained, objectives, and anything at all as what is trained. Models are scripted (simulated)."""

from __future__ import annotations

from typing import Any

import pytest

import paragrad as pg
from paragrad import registry
from paragrad.errors import UsageError
from paragrad.testing.trainers import Kit
from tests.faults.trainee import Answers, Logged, metric, rows


def task(**options: Any) -> pg.Task:
    """The same job, told more or less."""
    made = {"metric": metric, "model": pg.llm.stack(Logged(), cache=False), "journal": False, "progress": False, **options}
    return pg.Task(Answers(), rows("x", 24), rows("v", 40), **made)


def test_T12_the_algorithm_is_chosen_by_budget_and_data_and_says_why() -> None:
    writer = pg.llm.stack(Logged(), cache=False)
    small = task(optimizer_model=writer, budget="300 calls")
    assert type(small.trainer()).__name__ == "MinibatchAlgorithm"
    assert "small budget" in small.plan().reasons[0]
    large = task(optimizer_model=writer, budget="9000 calls")
    assert type(large.trainer()).__name__ == "ParetoSearch"
    assert "kept and raced" in large.plan().reasons[0]
    alone = task(budget="9000 calls")
    assert type(alone.trainer()).__name__ == "MinibatchAlgorithm"
    assert "proposals cost nothing" in str(alone.plan())


def test_T12_what_is_named_is_used_and_other_names_are_explained() -> None:
    for name in registry.algorithms.names():
        assert type(task(algorithm=name, optimizer="edit", budget="2000 calls").trainer()) is registry.algorithms.get(name)
    assert task(algorithm="pareto", optimizer="edit").plan().reasons == ()
    with pytest.raises(pg.errors.UnknownName, match="that algorithm is 'pareto' here"):
        task(algorithm="gepa").trainer()


@pytest.mark.parametrize("asks", [False, True])
def test_T13_auto_trains_every_kind_it_is_given(asks: bool) -> None:
    """Text, choice and demos of one program, with a model that writes and without."""
    model = pg.llm.stack(Logged(), cache=False)
    made = task(optimizer_model=model if asks else None, budget="400 calls").trainer()
    assert {p.kind for p in made.parameters.values() if made.optimizer.serves(p)} == {"text", "choice", "demos"}
    names = made.optimizer.describe()
    assert "BootstrapFewShot" in names
    assert ("Reflect" in names) == asks
    assert {p.kind for p in Kit().parameters()} == {"text", "choice", "demos"}


def test_T16_an_objective_reaches_every_trainer() -> None:
    """The same limit holds whatever the algorithm: a better answer that is too long is not taken."""

    def judged(output: Any, target: Any, row: pg.Row) -> pg.Feedback:
        return pg.Feedback(float(output == target), length=float(len(output)))

    for name in ("minibatch", "basic"):
        made = task(algorithm=name, optimizer="edit", parameters=["style"], budget="400 calls", metric=judged)
        free = made.fit()
        limit = min(free.measured["after"]["length"], 0.0) if free.measured else 0.5
        held = made.fit(objective=pg.Objective("score", at_most={"length": limit}))
        assert held.score < -1000, f"{name}: nothing keeps a limit of no length, and the score says so"
        assert held.measured["before"]["length"] > limit


def test_T16_anything_that_can_be_scored_is_trained() -> None:
    start = {"words": "Do it. Now. Please.", "size": pg.Number(low=0, high=8, integer=True)}
    found = pg.optimize_anything(start, lambda c: c["size"] - len(c["words"]), budget="80 calls", journal=False)
    assert found.best.values["size"] == 8
    assert len(found.best.values["words"]) < 10
    with pytest.raises(UsageError, match="code is not trained"):
        pg.optimize_anything(print, lambda c: 1.0)
