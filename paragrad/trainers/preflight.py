"""Pre-flight: after the baseline and before anything is paid for proposals, what these rows can prove and how much room there is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, stdev
from typing import Any

from paragrad.errors import BudgetExceeded
from paragrad.modules import Generator
from paragrad.trace.module import Module
from paragrad.trainers.jobs import Job
from paragrad.trainers.session import Session
from paragrad.trainers.statistics import detectable, headroom, noise_floor

SHARE = 0.1
"""Of the budget, at most, for asking again."""

AGAIN = 10
"""Rows that are asked a second time."""

Scores = Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Preflight:
    """What can be learnt and proven.

    Attributes:
        rows: that decide. ``start``: the mean of the values the run starts from.
        provable: the smallest true gain that these rows prove nine times of ten; None: they can prove none.
        room: up to a score of 1; None where scores have no such end.
        again: rows that were asked twice. ``noise``: how far the mean of all rows moves when nothing changes (standard deviation);
            ``luck``: what the better of two tries brings on average. None when nothing was asked twice.
    """

    rows: int
    start: float
    provable: float | None
    room: float | None
    again: int = 0
    noise: float | None = None
    luck: float | None = None

    @property
    def warning(self) -> str:
        """What is wrong, or ""."""
        if self.provable is None:
            return f"{self.rows} rows cannot prove any gain; add rows that decide (60 prove gains of about 25 points)"
        if self.room is not None and self.room < self.provable and self.room > 0:
            return (
                f"there are {100 * self.room:.0f} points of room, and {self.rows} rows prove gains from {100 * self.provable:.0f} points on: "
                "a gain may be real and stay unproven; add rows"
            )
        return ""

    def to_json(self) -> dict[str, Any]:
        """For the record."""
        return asdict(self)


def preflight(scores: Scores, again: Sequence[tuple[float, float]] = ()) -> Preflight:
    """From the baseline's scores on the rows that decide, and pairs of scores of rows that were asked twice."""
    known = [score for score in scores if score is not None]
    start = fmean(known) if known else 0.0
    unit = all(0 <= score <= 1 for score in known)
    found = _provable(known, start)
    noise = luck = None
    if again:
        floor = noise_floor(list(zip(*again, strict=True)))
        noise = floor.spread * math.sqrt(len(again) / max(1, len(known)))
        luck = headroom(again).room
    return Preflight(len(known), start, found, 1 - start if unit and known else None, len(again), noise, luck)


def _provable(known: Sequence[float], start: float) -> float | None:
    if len(known) < 2:
        return None
    if all(score in (0, 1) for score in known):
        gain = detectable(len(known), base=start)
    else:  # pairs that agree no more than chance; real ones agree more
        spread = stdev(known) * math.sqrt(2)
        gain = detectable(len(known), sd=spread) if spread else 0.0
    return gain if math.isfinite(gain) else None


def asked_again(trainer: Any, session: Session, values: Any, scores: Scores, calls_per_row: float) -> list[tuple[float, float]]:
    """A second try of some rows that decide, where the model draws at random and a tenth of the budget pays for it."""
    rows = trainer.validation_rows[:AGAIN]
    limit = trainer.budget.calls
    if limit is None or not calls_per_row or not draws(trainer.program, trainer.model):
        return []
    needed = len(trainer.validation_rows) + len(rows) + trainer.least_rows() + 2 * len(trainer.test_rows)
    if len(rows) * calls_per_row > SHARE * limit or needed * calls_per_row > limit:
        return []
    try:
        found = session.evaluate_all([Job(values, rows, label="the same again", repeat=1)], step=0)[0]
    except BudgetExceeded:
        return []
    return [(a, b) for a, b in zip(scores, found.scores, strict=False) if a is not None and b is not None]


def draws(program: Any, model: Any) -> bool:
    """Whether some part of a program, or its model, is asked at a temperature above 0, as far as it says so."""
    stack, seen = [program], set()
    while stack:
        part = stack.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, Generator) and (_hot(part.request) or _hot(getattr(part.model, "defaults", None))):
            return True
        inside = vars(part).values() if isinstance(part, Module) else part if isinstance(part, (list, tuple)) else ()
        stack.extend(inside)
    return _hot(getattr(model, "defaults", None))


def _hot(request: Any) -> bool:
    given = request.get("temperature") if isinstance(request, dict) else None
    return isinstance(given, (int, float)) and given > 0
