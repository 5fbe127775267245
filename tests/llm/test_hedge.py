"""Hedging stragglers: the second attempt's answer counts, both are paid for, and nobody is hedged unasked."""

from __future__ import annotations

from threading import Event, Lock
from typing import Any

import pytest

from paragrad.context import Coordinate, Scope, scope
from paragrad.errors import ModelError, UsageError
from paragrad.llm import BudgetLedger, Fake, stack


class Straggling:
    """A simulated server whose first attempt hangs until it is let go."""

    def __init__(self, fail: bool = False) -> None:
        self.lock, self.calls, self.released, self.fail = Lock(), 0, Event(), fail

    def __call__(self, request: Any) -> str:
        with self.lock:
            self.calls += 1
            mine = self.calls
        if mine == 1:
            self.released.wait(10)
            return "late"
        if self.fail:
            self.released.set()
            raise ModelError("the second attempt broke")
        return "quick"


def test_the_first_answer_counts_and_both_attempts_are_paid_for() -> None:
    server, ledger = Straggling(), BudgetLedger("10 calls")
    model = stack(Fake(server), cache=False, hedge=0.02)
    with scope(Scope(Coordinate(), ledger=ledger)):
        assert model("hello") == "quick"
    assert server.calls == 2
    assert ledger.total.calls == 2
    server.released.set()


def test_an_error_of_one_attempt_waits_for_the_other() -> None:
    server = Straggling(fail=True)
    assert stack(Fake(server), cache=False, hedge=0.02, retries=0)("hello") == "late"
    assert server.calls == 2


def test_a_quick_answer_is_asked_once() -> None:
    wire = Fake(lambda request: "fine")
    assert stack(wire, cache=False, hedge=5.0)("hello") == "fine"
    assert wire.calls == 1


def test_a_wrong_number_is_named() -> None:
    with pytest.raises(UsageError, match="hedge=0"):
        stack(Fake(lambda request: ""), hedge=0)
