"""Limiter layer: how many calls are in flight, and how fast they leave."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Condition, Lock

from paragrad.errors import BudgetExceeded, RateLimited
from paragrad.llm.layer import Call, Layer
from paragrad.llm.types import Response

FIRST_WINDOW = 64
WIDEST_WINDOW = 256


class Window:
    """Calls in flight, adapted as TCP does it: one more per round that went well, half after a 429.

    Args:
        ceiling: never more than this; None starts at 64 and may grow to 256.
    """

    def __init__(self, ceiling: int | None = None) -> None:
        self.ceiling = ceiling or WIDEST_WINDOW
        self.size = float(min(FIRST_WINDOW, self.ceiling))
        self.in_flight = 0
        self._lock = Lock()
        self._changed = Condition(self._lock)
        self._waiting = 0
        self._shrunk = float("-inf")

    def enter(self, call: Call) -> float:
        """Wait for a place; returns the moment it was taken."""
        with self._lock:
            try:
                self._waiting += 1
                while self.in_flight >= max(1, int(self.size)):
                    _check_budget(call)
                    self._changed.wait(timeout=max(0.001, min(1.0, call.budget_left())))
                    call.check_open()
            except BaseException:
                self._changed.notify()  # the place that this call was woken for is another's
                raise
            finally:
                self._waiting -= 1
            self.in_flight += 1
        return time.monotonic()

    def leave(self, entered: float, outcome: str) -> None:
        """Give the place back; ``outcome`` is "ok", "limited" or "failed"."""
        with self._lock:
            self.in_flight -= 1
            if outcome == "ok":
                self.size = min(float(self.ceiling), self.size + 1.0 / self.size)
            elif outcome == "limited" and entered > self._shrunk:  # one halving per round, not one per call
                self.size = max(1.0, self.size / 2)
                self._shrunk = time.monotonic()
            if self._waiting:
                self._changed.notify(max(1, int(self.size) - self.in_flight))


class Pace:
    """At most ``per_minute`` calls in any minute, evenly spaced (GCRA with a burst of one).

    Args:
        per_minute: calls per minute, above 0.
        clock: seconds, for tests.
    """

    def __init__(self, per_minute: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.interval = 60.0 / per_minute
        self._clock = clock
        self._next = float("-inf")
        self._lock = Lock()

    def reserve(self, longest: float = float("inf")) -> float | None:
        """Seconds to wait until this call may leave, or None (nothing is taken) when that is longer than ``longest``."""
        with self._lock:
            now = self._clock()
            start = max(now, self._next)
            if start - now > longest:
                return None
            self._next = start + self.interval
            return start - now


class Limiter:
    """Holds a call back until it may leave. The wait is not counted against the call's deadline: the queue is ours."""

    def __init__(self, inner: Layer, *, concurrency: int | None = None, per_minute: float | None = None) -> None:
        self.inner = inner
        self.window = Window(concurrency)
        self.pace = None if per_minute is None else Pace(per_minute)

    def handle(self, call: Call) -> Response:
        queued = time.monotonic()
        entered = self.window.enter(call)
        outcome = "failed"
        try:
            self._keep_pace(call)
            call.deadline.extend(time.monotonic() - queued)
            response = self.inner.handle(call)
            outcome = "ok"
            return response
        except RateLimited:
            outcome = "limited"
            raise
        finally:
            self.window.leave(entered, outcome)

    def _keep_pace(self, call: Call) -> None:
        if self.pace is None:
            return
        wait = self.pace.reserve(call.budget_left())
        if wait is None:
            raise BudgetExceeded("the budget's seconds end before this call's turn comes; raise per_minute or the budget")
        if wait > 0:
            time.sleep(wait)
        call.check_open()


def _check_budget(call: Call) -> None:
    if call.budget_left() <= 0:
        raise BudgetExceeded("the budget's seconds ended while this call was waiting for its turn")
