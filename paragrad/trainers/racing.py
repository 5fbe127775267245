"""Racing: a challenger against an incumbent on the same rows, stopped as soon as the outcome is clear.

Rows are scored in stages that double. After each one the paired difference and its standard error say
whether going on is worth it: confidence-based elimination (Maron and Moore, "Hoeffding races", 1993;
here with an empirical variance that is smoothed, so that few rows prove little).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Score = float | None
SMOOTHING = 0.5  # half a squared difference of 1, added to what was seen


@dataclass(frozen=True, slots=True)
class Lead:
    """How far one set of scores is ahead of another on the rows both have.

    Attributes:
        mean: of the paired differences. ``error``: its standard error. ``rows``: how many pairs.
    """

    mean: float
    error: float
    rows: int

    def low(self, z: float) -> float:
        return self.mean - z * self.error

    def high(self, z: float) -> float:
        return self.mean + z * self.error


def lead(ours: Sequence[Score], theirs: Sequence[Score]) -> Lead:
    """The lead of ``ours`` over ``theirs``, place by place; rows without a score count for nothing."""
    differences = [a - b for a, b in zip(ours, theirs, strict=False) if a is not None and b is not None]
    n = len(differences)
    if n == 0:
        return Lead(0.0, 1.0, 0)
    mean = math.fsum(differences) / n
    variance = (math.fsum((d - mean) ** 2 for d in differences) + SMOOTHING) / n
    return Lead(mean, math.sqrt(variance / n), n)


def stages(rows: int, first: int) -> list[int]:
    """Where a race stops to look: ``first`` rows, then twice as many, up to all."""
    found: list[int] = []
    size = max(1, min(first, rows))
    while size < rows:
        found.append(size)
        size *= 2
    return [*found, rows]


def race(
    score: Callable[[int, int], Sequence[Score]],
    theirs: Sequence[Score],
    extend: Callable[[int, int], Sequence[Score]],
    at: Sequence[int],
    *,
    out: float,
    won: float,
    ours: Sequence[Score] = (),
) -> tuple[list[Score], list[Score], str]:
    """Race to a decision.

    Args:
        score: ``score(first, last)``: the challenger's scores on rows first..last. ``extend``: the incumbent's.
        theirs, ours: scores known already, of the first rows.
        at: stages, in rows.
        out: standard errors below zero at which the challenger is out. ``won``: above zero, at which it has won.

    Returns:
        The challenger's scores, the incumbent's, and "out", "won" or "open" (all rows scored).
    """
    mine, other = list(ours), list(theirs)
    for end in at:
        if len(mine) < end:
            mine += score(len(mine), end)
        if len(other) < end:
            other += extend(len(other), end)
        found = lead(mine[:end], other[:end])
        if found.high(out) < 0:
            return mine, other, "out"
        if found.low(won) > 0:
            return mine, other, "won"
    return mine, other, "open"
