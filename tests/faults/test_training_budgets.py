"""R4: budgets are hard, in calls, tokens, dollars and seconds, whatever the program does."""

from __future__ import annotations

import time
from random import Random
from typing import Any

import pytest

from paragrad.errors import BudgetExceeded, UsageError
from paragrad.llm import Budget, stack
from paragrad.llm.fake import Fake
from tests.faults.trainee import Answers, Logged, optimizer, percent, reply, score_of, trainer

SEARCHES = ["basic", "beam", "pareto", "ucb"]


class Uneven(Answers):
    """Asks up to three times for a row, so that no estimate is right."""

    def forward(self, question: Any) -> Any:
        found = super().forward(question)
        for _ in range(percent(f"{question}") % 3):
            found = super().forward(question)
        return found


def least(algorithm: str = "minibatch") -> int:
    """The smallest budget that is not refused."""
    try:
        trainer(stack(Logged(), cache=False), None, algorithm, journal=False, budget="1 calls").train()
    except UsageError as error:
        return int(str(error).partition("give at least ")[2].split()[0])
    raise AssertionError("a budget of one call was accepted")


def complete(result: Any) -> None:
    """Every decision was made on whole evaluations, and the numbers are those of the values returned."""
    for entry in result.history:
        assert entry["rows"] in (8, 16)
        assert entry["decision"] != "accepted" or entry["rows"] == 16
    assert result.test is None or len(result.test.after.scores) == 16


@pytest.mark.parametrize("count", [20, pytest.param(120, marks=pytest.mark.faults)])
def test_random_call_budgets(count: int) -> None:
    chance = Random(count)
    ended = {"search": 0, "cut": 0}
    smallest = least()
    for number in range(count):
        limit = chance.randrange(smallest, 330)
        wire = Logged(seconds=0.0005, seed=number)
        program = Uneven() if number % 2 else Answers()
        try:
            result = trainer(stack(wire, cache=False), program, journal=False, budget=Budget(calls=limit), workers=32).train()
        except (UsageError, BudgetExceeded):
            assert isinstance(program, Uneven)  # what it takes was known only after a few rows
        else:
            complete(result)
            assert result.spent["calls"] == wire.count
            ended["cut" if "admits no further" in result.stopped or result.test is None else "search"] += 1
        assert wire.count <= limit
    assert ended["search"] + ended["cut"] >= count * 0.7
    print(f"R4: {count} random call budgets at 32 workers, overshoot 0; ended by search {ended['search']}, cut {ended['cut']}")


@pytest.mark.parametrize("count", [5, pytest.param(60, marks=pytest.mark.faults)])
@pytest.mark.parametrize("algorithm", SEARCHES)
def test_random_call_budgets_over_rounds_that_overlap(algorithm: str, count: int) -> None:
    """Task, optimizer and critic together; the value that is returned has the score that is reported, however a run ends."""
    chance = Random(f"{algorithm}/{count}")
    smallest = least(algorithm)
    ended = refused = 0
    for number in range(count):
        limit = chance.randrange(smallest, 400)
        wire = Logged(seconds=0.0005, seed=number)
        program = Uneven() if number % 2 else Answers()
        made = trainer(
            stack(wire, cache=False), program, algorithm, journal=False, budget=Budget(calls=limit), workers=64, seed=number,
            optimizer=optimizer(["edit", "asking", "critic"][number % 3]),
        )  # fmt: skip
        try:
            result = made.train()
        except (UsageError, BudgetExceeded):
            assert isinstance(program, Uneven)
            refused += 1
        else:
            assert result.score == pytest.approx(score_of(result.best.values))
            assert result.spent["calls"] == wire.count
            assert result.test is None or len(result.test.after.scores) == 16
            ended += 1
        assert wire.count <= limit
    assert ended > refused
    print(f"R4 ({algorithm}): {count} random call budgets at 64 workers, overshoot 0; {refused} refused after a few rows")


class Growing(Answers):
    """What the search finds is dearer than what it began with, so that no estimate holds."""

    def forward(self, question: Any) -> Any:
        found = super().forward(question)
        for _ in range(3 if self.style.value == "careful" or "Think" in self.answer.instruction.value else 0):
            found = super().forward(question)
        return found


def growing(algorithm: str, limit: int, workers: int = 8) -> tuple[Any, Any]:
    """A training of it, and its backend."""
    wire = Logged(seconds=0.002, seed=workers)
    made = trainer(stack(wire, cache=False), Growing(), algorithm, workers=workers, journal=False, budget=Budget(calls=limit))
    return made.train(), wire


@pytest.mark.parametrize("limit", [195, 240, 270])
@pytest.mark.parametrize("algorithm", ["minibatch", "beam", "pareto", "ucb"])
def test_a_search_that_was_planned_too_cheap_ends_with_what_it_has(algorithm: str, limit: int) -> None:
    result, wire = growing(algorithm, limit)
    assert wire.count <= limit
    assert result.score == pytest.approx(score_of(result.best.values))
    assert "budget" in result.stopped or "without" in result.stopped


def test_a_search_that_was_planned_too_cheap_ends_the_same_at_any_number_of_workers() -> None:
    for limit in range(195, 316, 15):
        results = [growing("ucb", limit, workers)[0] for workers in (1, 8, 64)]
        assert len({result.sha256 for result in results}) == 1


@pytest.mark.parametrize("count", [4, pytest.param(60, marks=pytest.mark.faults)])
@pytest.mark.parametrize("algorithm", ["minibatch", "pareto"])
@pytest.mark.parametrize("unit", ["tokens", "usd"])
def test_random_token_and_dollar_budgets(unit: str, algorithm: str, count: int) -> None:
    chance = Random(f"{unit}/{algorithm}")
    ended = 0
    for number in range(count):
        wire = Fake(reply, price=(1.0, 4.0))
        limit = chance.randrange(400, 6000)
        budget = Budget(tokens=limit) if unit == "tokens" else Budget(usd=limit * 1.5e-6)
        made = trainer(stack(wire, cache=False), None, algorithm, journal=False, budget=budget, workers=64, seed=number)
        try:
            result = made.train()
        except BudgetExceeded:
            continue
        ended += 1
        if algorithm == "minibatch":
            complete(result)
        assert result.score == pytest.approx(score_of(result.best.values))
        assert result.spent["tokens"] <= (budget.tokens or 1e9)
        assert result.spent["usd"] <= (budget.usd or 1e9)
    assert ended


@pytest.mark.parametrize("algorithm", ["minibatch", "pareto"])
def test_no_call_starts_after_the_last_second(algorithm: str) -> None:
    began = time.monotonic()
    starts: list[float] = []

    def slow(request: Any) -> str:
        starts.append(time.monotonic() - began)
        time.sleep(0.05)
        return reply(request)

    made = trainer(stack(Fake(slow), cache=False), None, algorithm, journal=False, budget=Budget(seconds=0.9), workers=4)
    result = made.train()
    ended = time.monotonic() - began
    assert max(starts) <= 2  # a busy machine may be late; the rest of the run would take much longer than that
    assert ended <= 10
    assert result.test is None
    assert "time is over" in result.stopped


@pytest.mark.parametrize("algorithm", ["minibatch", *SEARCHES])
def test_a_budget_that_reaches_no_round_is_refused_after_one_row(algorithm: str) -> None:
    wire = Logged()
    with pytest.raises(UsageError, match="does not reach one round: baseline and held-out test take 48 calls"):
        trainer(stack(wire, cache=False), None, algorithm, journal=False, budget="60 calls").train()
    assert wire.count == 1
    enough = trainer(stack(Logged(), cache=False), None, algorithm, journal=False, budget=f"{least(algorithm)} calls").train()
    assert enough.history or enough.spent["calls"] > 48, "what is said to be enough reaches a round"
