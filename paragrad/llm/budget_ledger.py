"""BudgetLedger: the hard limits of one run, exact under any number of threads."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Condition, Lock
from typing import Any

from paragrad.errors import BudgetExceeded
from paragrad.llm.budget import Budget
from paragrad.llm.ledger import holding_reservation

PICO = 1_000_000_000_000  # money is counted in whole pico-dollars: sums are exact in any order
ANSWER_TOKENS = 8_192  # the longest answer of a run's request without max_tokens, where tokens or dollars are limited


@dataclass(slots=True)
class Tally:
    """What one phase took. ``cached`` tokens were answered from the cache and cost nothing."""

    calls: int = 0
    tokens: int = 0
    pico_usd: int = 0
    cached_calls: int = 0
    cached_tokens: int = 0

    def add(self, calls: int = 0, tokens: int = 0, pico_usd: int = 0, cached_calls: int = 0, cached_tokens: int = 0) -> None:
        """Count some more."""
        self.calls += calls
        self.tokens += tokens
        self.pico_usd += pico_usd
        self.cached_calls += cached_calls
        self.cached_tokens += cached_tokens

    @property
    def usd(self) -> float:
        return self.pico_usd / PICO


@dataclass(frozen=True, slots=True, eq=False)
class Reservation:
    """One admitted call with its worst case."""

    phase: str
    tokens: int
    pico_usd: int


@dataclass(slots=True)
class _State:
    phases: dict[str, Tally] = field(default_factory=dict)
    total: Tally = field(default_factory=Tally)
    open: set[Reservation] = field(default_factory=set)
    held: Tally = field(default_factory=Tally)  # the worst cases of what is open
    seconds_before: float = 0.0


class BudgetLedger:
    """Implements the ``Ledger`` protocol over one :class:`Budget`.

    A call is one admitted attempt. A call whose worst case does not fit beside the reservations in
    flight waits until some are settled; one that can never fit is refused, so a limit is never passed.

    Args:
        budget: the limits; words or a Budget.
        state: what :meth:`state` returned earlier, to go on from there.
        answer_tokens: what a request without ``max_tokens`` is held to where the worst case matters; None: it is refused.
        clock: seconds, for tests.
    """

    def __init__(
        self,
        budget: Budget | str | None = None,
        state: Mapping[str, Any] | None = None,
        *,
        answer_tokens: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.budget = Budget.of(budget)
        self.answer_tokens = answer_tokens
        self._clock = clock
        self._started = clock()
        self._lock = Lock()
        self._changed = Condition(self._lock)
        self._waiting = 0
        self._state = _State()
        if state is not None:
            for phase, numbers in state["phases"].items():
                self._count(phase, **numbers)
            self._state.seconds_before = float(state["seconds"])

    @classmethod
    def of_run(cls, budget: Budget | str | None, state: Mapping[str, Any] | None = None) -> BudgetLedger:
        """The ledger of a run or an evaluation: a program that names no ``max_tokens`` works under every limit."""
        return cls(budget, state, answer_tokens=ANSWER_TOKENS)

    # -- the protocol ------------------------------------------------------------------------------
    def reserve(self, *, phase: str, tokens: int | None, usd: float | None) -> Reservation:
        """Admit one call with its worst case, waiting for calls in flight if only they are in the way."""
        self._check_known(tokens, usd)
        wanted = Reservation(phase, tokens or 0, _pico(usd))
        with self._lock:
            while True:
                self._check_possible(wanted)
                if self._fits(wanted):
                    break
                if holding_reservation():
                    raise BudgetExceeded(self._message("a call made inside another call cannot wait for it"))
                self._waiting += 1
                try:
                    self._changed.wait(timeout=min(1.0, max(0.01, self.seconds_left())))
                finally:
                    self._waiting -= 1
            self._state.open.add(wanted)
            self._state.held.add(0, wanted.tokens, wanted.pico_usd)
            self._count(phase, 1)
        return wanted

    def settle(self, reservation: Reservation, *, tokens: int, usd: float | None) -> None:
        """Replace the worst case by what was really taken."""
        with self._lock:
            if reservation not in self._state.open:
                raise ValueError("this reservation is settled already")
            self._state.open.remove(reservation)
            self._state.held.add(0, -reservation.tokens, -reservation.pico_usd)
            self._count(reservation.phase, 0, tokens, _pico(usd))
            if self._waiting:
                self._changed.notify_all()

    def replay(self, *, phase: str, calls: int, tokens: int, usd: float | None) -> None:
        """Count a call that a resumed run answers from its journal."""
        with self._lock:
            self._count(phase, calls, tokens, _pico(usd))

    # -- beyond it ---------------------------------------------------------------------------------
    def cached(self, *, phase: str, tokens: int) -> None:
        """Note a call that the cache answered: it costs nothing."""
        with self._lock:
            self._count(phase, cached_calls=1, cached_tokens=tokens)

    def seconds_left(self) -> float:
        """Seconds until no further call may start; infinite without such a limit."""
        return float("inf") if self.budget.seconds is None else self.budget.seconds - self.seconds

    @property
    def seconds(self) -> float:
        """Wall time since the start, earlier stretches of a resumed run included."""
        return self._state.seconds_before + self._clock() - self._started

    @property
    def spent(self) -> dict[str, Tally]:
        """A copy of what every phase took, by name."""
        with self._lock:
            return {phase: Tally(**_numbers(tally)) for phase, tally in sorted(self._state.phases.items())}

    @property
    def total(self) -> Tally:
        """What all phases took together."""
        with self._lock:
            return Tally(**_numbers(self._state.total))

    def state(self) -> dict[str, Any]:
        """JSON-like, for a checkpoint. Calls in flight count, with nothing settled for them yet."""
        return {"phases": {phase: _numbers(tally) for phase, tally in self.spent.items()}, "seconds": self.seconds}

    # -- inside, with the lock held ----------------------------------------------------------------
    def _count(self, phase: str, *numbers: int, **more: int) -> None:
        tally = self._state.phases.get(phase)
        if tally is None:
            tally = self._state.phases[phase] = Tally()
        tally.add(*numbers, **more)
        self._state.total.add(*numbers, **more)

    def _check_known(self, tokens: int | None, usd: float | None) -> None:
        if self.budget.tokens is not None and tokens is None:
            raise BudgetExceeded(
                self._message("the worst case of this call is unknown; under a token limit give max_tokens (and no linked images)")
            )
        if self.budget.usd is not None and usd is None:
            raise BudgetExceeded(
                self._message(
                    "the worst case of this call is unknown; under a dollar limit give max_tokens and price=(in, out), see pg.llm.connect"
                )
            )

    def _check_possible(self, wanted: Reservation) -> None:
        """Refuse what cannot fit even once everything in flight has cost nothing."""
        budget, spent = self.budget, self._state.total
        if self.seconds_left() <= 0:
            raise BudgetExceeded(self._message("its time is over"))
        if budget.calls is not None and spent.calls + 1 > budget.calls:
            raise BudgetExceeded(self._message("every call is used"))
        if budget.tokens is not None and spent.tokens + wanted.tokens > budget.tokens:
            raise BudgetExceeded(self._message(f"{spent.tokens} tokens are spent, the next may take {wanted.tokens}"))
        if budget.usd is not None and spent.pico_usd + wanted.pico_usd > _pico(budget.usd):
            raise BudgetExceeded(self._message(f"${spent.usd:.4f} is spent, the next may cost ${wanted.pico_usd / PICO:.4f}"))

    def _fits(self, wanted: Reservation) -> bool:
        budget, spent, held = self.budget, self._state.total, self._state.held
        tokens = spent.tokens + held.tokens + wanted.tokens
        money = spent.pico_usd + held.pico_usd + wanted.pico_usd
        return (budget.tokens is None or tokens <= budget.tokens) and (budget.usd is None or money <= _pico(budget.usd))

    def _message(self, why: str) -> str:
        return f"the budget of {self.budget} admits no further call: {why}"


def _numbers(tally: Tally) -> dict[str, int]:
    return {
        "calls": tally.calls,
        "tokens": tally.tokens,
        "pico_usd": tally.pico_usd,
        "cached_calls": tally.cached_calls,
        "cached_tokens": tally.cached_tokens,
    }


def _pico(usd: float | None) -> int:
    return round(usd * PICO) if usd else 0
