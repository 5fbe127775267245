"""Rounds that overlap: decided in order, repeatable, halted together; shares of a ledger; closed branches."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from threading import Event, Lock
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paragrad.context import Coordinate, scope
from paragrad.data import DataLoader
from paragrad.errors import BudgetExceeded, LostContext, NotConnected, Outage
from paragrad.llm import Budget, BudgetLedger, stack
from paragrad.llm.fake import Fake
from paragrad.llm.share import Share, plus
from paragrad.trainers.ahead import Found, LookAhead
from tests.trainers.inside import inside
from tests.trainers.scripted import Mixed, metric, model, rows

TIMEOUT = 20.0


class Rounds(LookAhead):
    """Rounds of four rows each; what they do besides is given as a function of (session, number)."""

    depth = 4
    most = 8
    during: Callable[[Any, int], None] = staticmethod(lambda session, number: None)

    def plan(self, session: Any, state: Any, number: int, rows: float) -> Any:
        return {"rows": 4.0, "after": state.more.get("decided", [])} if number <= self.most else None

    def explore(self, session: Any, plan: Any, optimizer: Any, number: int) -> Found:
        self.during(session, number)
        values = {id: parameter.value for id, parameter in self.parameters.items()}
        found = session.evaluate(values, self.train_rows[:4], step=number)
        return Found(found.scores, optimizer)

    def decide(self, session: Any, state: Any, plan: Any, found: Found, number: int) -> Any:
        return replace(state, more={**state.more, "decided": [*state.more.get("decided", []), number], "seen": plan["after"]})

    def least_rows(self) -> float:
        return 4.0


def rounds(made: type[LookAhead], **options: Any) -> tuple[Any, Any, Fake]:
    """The state after the last round (or the error), the trainer, the backend."""
    wire = Fake(options.pop("script", model))
    seen: list[Any] = []

    class Noting(made):  # type: ignore[misc, valid-type]
        def conclude(self, session: Any, state: Any) -> Any:
            seen.append(state)
            return super().conclude(session, state)

    trainer = Noting(
        Mixed(), "edit", DataLoader(rows("x", 8), 4), metric, validate=rows("v", 4), model=stack(wire, cache=False, retries=0),
        **{"journal": False, "budget": "200 calls", **options},
    )  # fmt: skip
    trainer.train()
    return seen[-1], trainer, wire


def test_rounds_are_decided_in_their_order_whichever_is_done_first() -> None:
    """Of every four under way, the first is explored last."""
    done: list[int] = []
    events = {number: Event() for number in range(1, 10)}

    class Backwards(Rounds):
        @staticmethod
        def during(session: Any, number: int) -> None:
            if number in (1, 2, 3):
                assert events[number + 1].wait(TIMEOUT)
            done.append(number)
            events[number].set()

    state, _, _ = rounds(Backwards)
    assert done[:4] == [4, 3, 2, 1]
    assert state.more["decided"] == list(range(1, 9))


def test_as_many_rounds_are_under_way_as_the_depth_and_the_width_allow() -> None:
    lock, now, most = Lock(), [0], [0]

    class Counted(Rounds):
        depth = 3

        def explore(self, session: Any, plan: Any, optimizer: Any, number: int) -> Found:
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            if number in (1, 2):  # neither is done before the third has begun
                assert second.wait(TIMEOUT)
            else:
                second.set()
            found = super().explore(session, plan, optimizer, number)
            with lock:
                now[0] -= 1
            return found

    second = Event()
    rounds(Counted)
    assert most[0] == 3

    class Narrow(Rounds):
        def width(self, state: Any) -> int:
            return 1

        def explore(self, session: Any, plan: Any, optimizer: Any, number: int) -> Found:
            assert plan["after"] == list(range(1, number)), "with one round at a time each is planned from all before it"
            return super().explore(session, plan, optimizer, number)

    assert rounds(Narrow)[0].more["decided"] == list(range(1, 9))


def test_what_a_round_is_planned_from_does_not_depend_on_timing() -> None:
    def seen(seconds: float, workers: int) -> list[Any]:
        plans: list[Any] = []

        class Noted(Rounds):
            @staticmethod
            def during(session: Any, number: int) -> None:
                Event().wait(Random(seconds + number).random() * seconds)

            def plan(self, session: Any, state: Any, number: int, rows: float) -> Any:
                made = super().plan(session, state, number, rows)
                plans.append((number, made, rows))
                return made

        rounds(Noted, workers=workers)
        return plans

    first = seen(0.0, 1)
    assert seen(0.02, 1) == first
    assert seen(0.02, 8) == first


def test_a_round_that_fails_halts_the_others_before_they_spend() -> None:
    """Round 3 loses its model while rounds 1, 2 and 4 wait: none of them asks anything more, and the error is raised."""
    failed = Event()
    gone = threading.local()

    def script(request: Any) -> str:
        if failed.is_set():
            raise NotConnected("gone")
        return model(request)

    class Failing(Rounds):
        def explore(self, session: Any, plan: Any, optimizer: Any, number: int) -> Found:
            if number == 3:
                failed.set()
                try:
                    return super().explore(session, plan, optimizer, number)
                finally:
                    gone.value = True
            assert session.halted.wait(TIMEOUT)
            return super().explore(session, plan, optimizer, number)

    wire = Fake(script)
    made = Failing(
        Mixed(), "edit", DataLoader(rows("x", 8), 4), metric, validate=rows("v", 4), model=stack(wire, cache=False, retries=0),
        journal=False, budget="200 calls",
    )  # fmt: skip
    with pytest.raises(Outage, match="rows got no answer"):
        made.train()
    assert wire.calls == 4 + 4, "the baseline and the rows of the round that failed"


def test_a_round_that_passes_the_budget_leaves_those_before_it() -> None:
    class Dear(Rounds):
        @staticmethod
        def during(session: Any, number: int) -> None:
            if number == 5:
                raise BudgetExceeded("the budget of 5 rounds admits no further call")

    state, _, _ = rounds(Dear)
    assert state.more["decided"] == [1, 2, 3, 4]
    assert state.done.startswith("budget: the budget of 5 rounds")


def test_an_error_in_the_algorithm_is_raised_and_no_thread_is_left() -> None:
    class Broken(Rounds):
        @staticmethod
        def during(session: Any, number: int) -> None:
            if number == 2:
                raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError, match="a bug"):
        rounds(Broken)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("round-")]


def test_rounds_under_way_are_explored_again_after_a_stop(tmp_path: Path) -> None:
    """Stopped after two decisions: nothing that was answered is asked again, and the decisions go on where they were."""

    def run(home: Path, stop: bool) -> tuple[Any, int]:
        class Stopping(Rounds):
            def decide(self, session: Any, state: Any, plan: Any, found: Found, number: int) -> Any:
                if stop and number == 3:
                    raise NotConnected("stopped")
                return super().decide(session, state, plan, found, number)

        state, _, wire = rounds(Stopping, home=home, journal=True, run="r")
        return state, wire.calls

    calm, asked = run(tmp_path / "calm", False)
    with pytest.raises(Outage):
        run(tmp_path / "x", True)
    state, more = run(tmp_path / "x", False)
    assert state.more == calm.more
    assert state.calls == calm.calls
    assert more < asked - 12, "the baseline and at least two rounds were answered"


# --- shares of a ledger --------------------------------------------------------------------------------

EFFECTS = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["task", "optimizer"]), st.sampled_from(["call", "replay", "cached"]), st.integers(0, 50)),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(EFFECTS)
def test_shares_add_up_to_what_the_ledger_took(effects: list[Any]) -> None:
    ledger = BudgetLedger(Budget(calls=1000))
    shares = [Share(ledger) for _ in range(3)]
    for place, phase, kind, amount in effects:
        if kind == "call":
            shares[place].settle(shares[place].reserve(phase=phase, tokens=60, usd=0.1), tokens=amount, usd=amount * 1e-7)
        elif kind == "replay":
            shares[place].replay(phase=phase, calls=amount, tokens=amount, usd=None)
        else:
            shares[place].cached(phase=phase, tokens=amount)
    total: Any = BudgetLedger(Budget(calls=1000)).state()
    for share in shares:
        total = plus(total, share)
    assert total["phases"] == ledger.state()["phases"]
    again = BudgetLedger(Budget(calls=1000), total)
    assert again.total == ledger.total


def test_adding_a_share_changes_neither() -> None:
    ledger = BudgetLedger(Budget(calls=10))
    share, state = Share(ledger), ledger.state()
    share.replay(phase="task", calls=2, tokens=5, usd=0.5)
    found = plus(state, share)
    assert state["phases"] == {}
    assert found["phases"]["task"]["pico_usd"] == 500_000_000_000
    assert plus(found, share)["phases"]["task"]["calls"] == 4


def test_a_share_is_refused_what_the_ledger_refuses() -> None:
    ledger = BudgetLedger(Budget(calls=1))
    Share(ledger).reserve(phase="task", tokens=None, usd=None)
    late = Share(ledger)
    with pytest.raises(BudgetExceeded):
        late.reserve(phase="task", tokens=None, usd=None)
    assert late.taken == {}


# --- branches of a session -----------------------------------------------------------------------------


def test_a_branch_counts_for_itself_and_has_no_effect_once_it_is_closed() -> None:
    def probe(trainer: Any, session: Any, state: Any) -> Any:
        before = session.calls
        one, other = session.branch(), session.branch()
        one.evaluate(state.best, trainer.train_rows[:3], step=1)
        assert (one.calls, other.calls, session.calls) == (3, 0, before)
        at = one._scope(Coordinate(7))
        one.within.close()
        with pytest.raises(LostContext):
            at.coordinate()
        with pytest.raises(LostContext), scope(at):
            one.evaluate(state.best, trainer.train_rows[:3], step=2)
        assert other.evaluate(state.best, trainer.train_rows[:3], step=3).items
        return True

    found, wire = inside(probe)
    assert found
    assert wire.calls == 6 + 3 + 3
