"""Honest comparisons of paired scores: exact tests, intervals, what n rows can prove, a gate that may be asked often.

``before[i]`` and ``after[i]`` are scores of the same row; a pair with None (no score: an outage) is left out.
Everything is a pure function of its arguments; where chance is used, it is seeded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from statistics import NormalDist, fmean, stdev
from typing import Literal

from paragrad.errors import UsageError
from paragrad.protocols.shares import are_shares
from paragrad.trainers.intervals import Scores, mean_interval, paired_interval, student, z_of
from paragrad.trainers.permutation import permutation

_BETS = tuple((step + 0.5) / 20 for step in range(20))
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Comparison:
    """After against before, row by row.

    Attributes:
        delta: mean gain, with its interval ``low`` to ``high``.
        p: two-sided, of the exact paired test.
        significant: a gain is proven: delta > 0 and p ≤ alpha.
        fixed, broken, same: places of the rows that got better, got worse, stayed.
        n: pairs compared.
    """

    delta: float
    low: float
    high: float
    p: float
    significant: bool
    fixed: tuple[int, ...]
    broken: tuple[int, ...]
    same: tuple[int, ...]
    n: int


@dataclass(frozen=True, slots=True)
class NoiseFloor:
    """How much a mean moves when nothing changes. ``spread``: standard deviation of one pass's mean;
    ``smallest``: the difference of two passes that chance exceeds one time in twenty."""

    mean: float
    spread: float
    smallest: float


@dataclass(frozen=True, slots=True)
class Headroom:
    """Expected score, score of the best of each row's tries, and the room between them."""

    mean: float
    best: float
    room: float


@dataclass(frozen=True, slots=True)
class Gate:
    """``p`` is valid whenever one looks; "open" means: not decided yet, score more rows."""

    decision: Literal["better", "worse", "open"]
    p: float


def compare(
    before: Scores, after: Scores, *, confidence: float = 0.95, alpha: float = 0.05, seed: int = 0, bounded: bool = True
) -> Comparison:
    """The whole comparison. 0/1 scores: exact McNemar test and Newcombe's interval; others: permutation test and t interval.

    Args:
        bounded: whether scores that look like shares are shares; False when others of their metric are known to be none.

    Raises:
        UsageError: lists of different length, or no pair of scores.
    """
    pairs = _pairs(before, after)
    if not pairs:
        raise UsageError("compare needs at least one row that has both scores")
    differences = [b - a for _, a, b in pairs]
    delta = fmean(differences)
    fixed, broken, same = (tuple(place for place, a, b in pairs if (b > a) - (b < a) == sign) for sign in (1, -1, 0))
    if bounded and are_shares(*before, *after) and all(score in (0, 1) for _, a, b in pairs for score in (a, b)):
        p = mcnemar(len(fixed), len(broken))
        right = sum(a == b == 1 for _, a, b in pairs)
        low, high = paired_interval(right, len(fixed), len(broken), len(pairs) - right - len(fixed) - len(broken), confidence)
    else:
        p = permutation(differences, seed)
        found = mean_interval(differences, confidence, bounded=False)
        low, high = found.low, found.high
    return Comparison(delta, low, high, p, delta > 0 and p <= alpha, fixed, broken, same, len(pairs))


def mcnemar(fixed: int, broken: int) -> float:
    """Exact two-sided p: under no difference a changed row is fixed or broken with probability 1/2."""
    n = fixed + broken
    tail = sum(math.comb(n, k) for k in range(min(fixed, broken) + 1))
    return min(1.0, 2 * tail / (1 << n))


def noise_floor(scores_by_repeat: Sequence[Sequence[float]]) -> NoiseFloor:
    """Noise of repeated passes of one program over the same rows, ``scores_by_repeat[repeat][row]``.

    It is taken from the spread within rows, so that few repeats say much.
    """
    rows = list(zip(*scores_by_repeat, strict=True))
    if len(scores_by_repeat) < 2 or not rows:
        raise UsageError("a noise floor needs at least two passes over at least one row")
    spread = math.sqrt(math.fsum(stdev(row) ** 2 for row in rows)) / len(rows)
    return NoiseFloor(fmean(map(fmean, rows)), spread, z_of(0.95) * math.sqrt(2) * spread)


def headroom(tries_by_row: Sequence[Sequence[float]]) -> Headroom:
    """What a perfect choice among each row's tries would gain: an upper estimate of what is left to learn."""
    if not tries_by_row or not all(tries_by_row):
        raise UsageError("headroom needs at least one row, and a try for every row")
    mean, best = fmean(map(fmean, tries_by_row)), fmean(map(max, tries_by_row))
    return Headroom(mean, best, best - mean)


def detectable(
    n: int, *, base: float = 0.5, broken: float | None = None, sd: float | None = None, power: float = 0.9, alpha: float = 0.05
) -> float:
    """The smallest true gain that ``n`` rows prove with this power; inf when they can prove none.

    Args:
        base: the proportion right before, for 0/1 scores.
        broken: the proportion of rows that get worse; None: before and after are independent row by row, the
            worst case for a program that is not perverse. Real pairs agree more, and prove smaller gains.
        sd: standard deviation of the differences, for scores that are not 0/1.
        power: 0.9, so that four of five such gains are found also in a small series.
    """
    if n < 1 or not 0 <= base <= 1 or not 0 < power < 1:
        raise UsageError(f"detectable(n={n}, base={base}, power={power}): n ≥ 1, base in [0, 1], power in (0, 1)")
    if sd is not None:
        return math.inf if n < 2 else (student(1 - alpha / 2, n - 1) + _NORMAL.inv_cdf(power)) * sd / math.sqrt(n)

    def rates(gain: float) -> tuple[float, float]:
        worse = base * (1 - base - gain) if broken is None else broken
        return worse + gain, worse

    low, high = 0.0, (1 - base if broken is None else 1 - 2 * broken)
    if high <= 0 or mcnemar_power(n, *rates(high), alpha) < power:
        return math.inf
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (low, middle) if mcnemar_power(n, *rates(middle), alpha) >= power else (middle, high)
    return high


def mcnemar_power(n: int, fixed: float, broken: float, alpha: float = 0.05) -> float:
    """Probability that :func:`mcnemar` proves a gain when each of n rows is fixed or broken with these probabilities."""
    changed = fixed + broken
    spread = 9 * math.sqrt(n * changed * (1 - min(changed, 1.0))) + 9
    power = 0.0
    for m in range(max(0, math.floor(n * changed - spread)), min(n, math.ceil(n * changed + spread)) + 1):
        worst = _most_broken(m, alpha)
        if worst >= 0:
            power += _binomial(n, m, changed) * math.fsum(_binomial(m, k, broken / changed) for k in range(worst + 1))
    return power


def gate(before: Scores, after: Scores, alpha: float = 0.05) -> Gate:
    """A sequential decision that may be asked after every row, in a fixed order of rows, and still errs at most alpha each way.

    A mixture of betting martingales on the sign of each difference, weighted by its size against the largest so far
    (Ville's inequality; G. Shafer, JRSS A 184, 2021). Null hypothesis: each sign might as well be the other.
    """
    up, down = [1.0] * len(_BETS), [1.0] * len(_BETS)
    largest = best = worst = 0.0
    for _, a, b in _pairs(before, after):
        if a == b:
            continue
        largest = max(largest, abs(b - a))
        weight = (b - a) / largest
        up = [wealth * (1 + bet * weight) for wealth, bet in zip(up, _BETS, strict=True)]
        down = [wealth * (1 - bet * weight) for wealth, bet in zip(down, _BETS, strict=True)]
        best, worst = max(best, fmean(up)), max(worst, fmean(down))
        if max(best, worst) >= 1 / alpha:
            return Gate("better" if best >= worst else "worse", 1 / max(best, worst))
    return Gate("open", min(1.0, 1 / max(best, worst, 1.0)))


def _pairs(before: Scores, after: Scores) -> list[tuple[int, float, float]]:
    if len(before) != len(after):
        raise UsageError(f"{len(before)} scores before and {len(after)} after; give both for the same rows, None where there is none")
    return [(place, a, b) for place, (a, b) in enumerate(zip(before, after, strict=True)) if a is not None and b is not None]


@lru_cache(maxsize=4096)
def _most_broken(m: int, alpha: float) -> int:
    """The largest number of broken rows among m changed ones that still proves a gain; -1: none."""
    limit = (int(alpha * 1e12) << m) // (2 * 10**12)
    tails = accumulate(math.comb(m, k) for k in range(m // 2 + 1))
    return next((k for k, tail in enumerate(tails) if tail > limit), m // 2 + 1) - 1


def _binomial(n: int, k: int, p: float) -> float:
    if not 0 < p < 1:
        return float(k == (n if p >= 1 else 0))
    log = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * math.log(p) + (n - k) * math.log1p(-p)
    return math.exp(log)
