"""R4: budgets are hard, in calls, tokens, dollars and seconds, whatever the program does."""

from __future__ import annotations

import time
from random import Random
from typing import Any

import pytest

from paragrad.errors import BudgetExceeded, UsageError
from paragrad.llm import Budget, stack
from paragrad.llm.fake import Fake
from tests.faults.trainee import Answers, Logged, percent, reply, trainer


class Uneven(Answers):
    """Asks up to three times for a row, so that no estimate is right."""

    def forward(self, question: Any) -> Any:
        found = super().forward(question)
        for _ in range(percent(f"{question}") % 3):
            found = super().forward(question)
        return found


def least() -> int:
    """The smallest budget that is not refused."""
    try:
        trainer(stack(Logged(), cache=False), journal=False, budget="1 calls").train()
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


@pytest.mark.parametrize("count", [6, pytest.param(60, marks=pytest.mark.faults)])
@pytest.mark.parametrize("unit", ["tokens", "usd"])
def test_random_token_and_dollar_budgets(unit: str, count: int) -> None:
    chance = Random(unit)
    for number in range(count):
        wire = Fake(reply, price=(1.0, 4.0))
        limit = chance.randrange(400, 6000)
        budget = Budget(tokens=limit) if unit == "tokens" else Budget(usd=limit * 1.5e-6)
        made = trainer(stack(wire, cache=False), journal=False, budget=budget, workers=32, seed=number)
        try:
            result = made.train()
        except BudgetExceeded:
            continue
        complete(result)
        assert result.spent["tokens"] <= (budget.tokens or 1e9)
        assert result.spent["usd"] <= (budget.usd or 1e9)


def test_no_call_starts_after_the_last_second() -> None:
    began = time.monotonic()
    starts: list[float] = []

    def slow(request: Any) -> str:
        starts.append(time.monotonic() - began)
        time.sleep(0.05)
        return reply(request)

    result = trainer(stack(Fake(slow), cache=False), journal=False, budget=Budget(seconds=0.9), workers=4).train()
    ended = time.monotonic() - began
    assert max(starts) <= 0.95
    assert ended <= 1.95
    assert result.test is None
    assert "time is over" in result.stopped


def test_a_budget_that_reaches_no_round_is_refused_after_one_row() -> None:
    wire = Logged()
    with pytest.raises(UsageError, match="does not reach one round: baseline and held-out test take 48 calls") as caught:
        trainer(stack(wire, cache=False), journal=False, budget="60 calls").train()
    assert wire.count == 1
    assert "give at least" in str(caught.value)
