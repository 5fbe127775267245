"""Counter: the one place, outside every system, where program evaluations are counted and the incumbent is watched."""

from __future__ import annotations

import hashlib
from collections import Counter as Tally
from threading import Lock
from typing import Any

from benchmarks.landscapes.landscape import Landscape, Texts

BUDGET, TARGET = 3000, 0.85


class Counter:
    """One run of one system on a landscape.

    ``observe`` is what the system's metric calls; ``look`` is told the texts that the system would return now, each
    time they may have changed.

    Attributes:
        calls: evaluations so far.
        hit: the first count at which the texts that would be returned had a true score of at least ``target``
            (on a landscape that shifts: counted from the start, but only after the shift); None: not within the budget.
        trail: (count, true score) of the incumbent, whenever it changed.
    """

    def __init__(self, landscape: Landscape, budget: int = BUDGET, target: float = TARGET) -> None:
        self.landscape, self.budget, self.target = landscape, budget, target
        self.calls = 0
        self.hit: int | None = None
        self.trail: list[tuple[int, float]] = []
        self._seen: Tally[tuple[tuple[str, ...], int]] = Tally()
        self._last: tuple[str, ...] = ()
        self._lock = Lock()

    def observe(self, example: int, texts: Texts, repeat: int | str | None = None) -> tuple[float, str]:
        """Score and feedback of one evaluation; the flips of noise are drawn by (texts, example, repeat).

        Args:
            repeat: tells evaluations of the same texts on the same example apart; None: they are numbered as they come.
        """
        texts = tuple(texts)
        with self._lock:
            phase = self.phase
            self.calls += 1
            if self.phase != phase and self._last:
                self.look(self._last)  # the same texts are worth something else from here on
            if repeat is None:
                repeat = self._seen[texts, example]
                self._seen[texts, example] += 1
        score, feedback = self.landscape.score(example, texts, phase)
        noise = self.landscape.variant.noise
        if noise and drawn(f"noise {self.landscape.seed} {texts} {example} {repeat}") < noise:
            return (0.0, "wrong") if score else (1.0, "correct")
        return score, feedback

    @property
    def phase(self) -> int:
        """0, or 1 in the second half of the budget of a landscape that shifts."""
        return int(self.landscape.variant.shifts and self.calls >= self.budget // 2)

    def look(self, texts: Texts) -> float:
        """The true score of the texts that the system would return now."""
        self._last = tuple(texts)
        true = self.landscape.true_score(texts, self.phase)
        if not self.trail or self.trail[-1][1] != true:
            self.trail.append((self.calls, true))
        shifting = self.landscape.variant.shifts and not self.phase
        if self.hit is None and true >= self.target and self.calls <= self.budget and not shifting:
            self.hit = self.calls
        return true

    def summary(self) -> dict[str, Any]:
        """The run as plain data, after it ended. A run that ended before a shift is judged as of the shift."""
        calls = self.calls
        if self._last and self.landscape.variant.shifts:
            self.calls = max(calls, self.budget // 2)
            self.look(self._last)
            self.calls = calls
        final = self.trail[-1][1] if self.trail else 0.0
        return {"hit": self.hit, "final": round(final, 4), "calls": self.calls, "texts": list(self._last)}


def drawn(name: str) -> float:
    """A number between 0 and 1 that belongs to a name."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=6).digest(), "big") / 2**48
