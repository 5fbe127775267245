"""Budgets are plain values; words that mean nothing are refused."""

from __future__ import annotations

import pytest

from paragrad.errors import UsageError
from paragrad.llm import Budget

MEANT = {
    "$2": Budget(usd=2),
    "$ 0.50": Budget(usd=0.5),
    "2 usd": Budget(usd=2),
    "$1.5 usd": Budget(usd=1.5),
    "$2k": Budget(usd=2000),
    "500 calls": Budget(calls=500),
    "1 call": Budget(calls=1),
    "1.5k calls": Budget(calls=1500),
    "1.1k calls": Budget(calls=1100),
    "20k tokens": Budget(tokens=20_000),
    "2M tokens": Budget(tokens=2_000_000),
    "7 tok": Budget(tokens=7),
    "10 min": Budget(seconds=600),
    "5m": Budget(seconds=300),
    "30 s": Budget(seconds=30),
    "90 seconds": Budget(seconds=90),
    "2 h": Budget(seconds=7200),
    "$2 + 500 calls": Budget(calls=500, usd=2),
    "$2, 500 calls, 10 min": Budget(calls=500, usd=2, seconds=600),
    "0 calls": Budget(calls=0),
    "100 CALLS": Budget(calls=100),
}
NONSENSE = [
    "",
    "a lot",
    "5",
    "$",
    "$2 $3",
    "$2 + $3",
    "-5 calls",
    "1.5 calls",
    "$5 calls",
    "10 parsecs",
    "5 calls calls",
    "1e3 calls",
    "nan s",
    "auto",
    "1,000 calls",
    "calls 5",
    "$2 +",
    "inf usd",
    "٣ calls calls",
]


@pytest.mark.parametrize("text", MEANT)
def test_words_that_mean_something(text):
    assert Budget.parse(text) == MEANT[text]
    assert Budget.of(text) == Budget.of(MEANT[text])


@pytest.mark.parametrize("text", NONSENSE)
def test_words_that_mean_nothing_are_refused_with_an_example(text):
    with pytest.raises(UsageError, match="500 calls"):
        Budget.parse(text)


@pytest.mark.parametrize(
    "budget", [{"calls": -1}, {"calls": 1.5}, {"usd": float("inf")}, {"usd": float("nan")}, {"seconds": "10"}, {"tokens": True}]
)
def test_values_that_are_no_limits_are_refused(budget):
    with pytest.raises(UsageError):
        Budget(**budget)


def test_a_number_alone_has_no_unit():
    with pytest.raises(UsageError, match="no unit"):
        Budget.of(5)


def test_a_budget_is_written_as_it_is_read():
    for budget in MEANT.values():
        assert Budget.parse(str(budget)) == budget
    assert str(Budget()) == "unlimited"
    assert not Budget()
    assert Budget(calls=0)
