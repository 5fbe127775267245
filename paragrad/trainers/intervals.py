"""Confidence intervals of means, proportions and paired differences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev

from paragrad.errors import UsageError
from paragrad.protocols.shares import are_shares

Scores = Sequence[float | None]

_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its confidence interval."""

    value: float
    low: float
    high: float


def wilson(successes: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a proportion (E. B. Wilson, JASA 22, 1927)."""
    z = z_of(confidence)
    share, scale = successes / n, 1 + z * z / n
    centre = (share + z * z / (2 * n)) / scale
    half = z / scale * math.sqrt(max(0.0, share * (1 - share)) / n + z * z / (4 * n * n))
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


def mean_interval(scores: Scores, confidence: float = 0.95, *, bounded: bool = True) -> Interval:
    """A mean with its interval: Wilson's for 0/1 scores, else Student's t.

    Args:
        bounded: whether scores that look like shares are shares; False when others of their metric are known to be none.
            Shares without any spread take Wilson's interval, which is then too wide rather than empty.
    """
    known = [score for score in scores if score is not None]
    if not known:
        raise UsageError("a mean needs at least one score")
    n, mean = len(known), fmean(known)
    spread = stdev(known) if n > 1 else 0.0
    if bounded and are_shares(*known) and (spread == 0 or all(score in (0, 1) for score in known)):
        return Interval(mean, *wilson(math.fsum(known), n, confidence))
    if n == 1:
        return Interval(mean, -math.inf, math.inf)
    half = student(0.5 + confidence / 2, n - 1) * spread / math.sqrt(n)
    return Interval(mean, mean - half, mean + half)


def paired_interval(both: int, fixed: int, broken: int, neither: int, confidence: float = 0.95) -> tuple[float, float]:
    """Interval for the difference of two paired proportions: the square-and-add method from Wilson intervals with
    corrected correlation (R. G. Newcombe, Statistics in Medicine 17, 1998, 2635-2650, method 10)."""
    n = both + fixed + broken + neither
    after, before = (both + fixed) / n, (both + broken) / n
    (low1, high1), (low2, high2) = wilson(both + fixed, n, confidence), wilson(both + broken, n, confidence)
    margins = (both + fixed) * (broken + neither) * (both + broken) * (fixed + neither)
    cross = both * neither - fixed * broken
    phi = (max(cross - n / 2, 0.0) if cross > 0 else cross) / math.sqrt(margins) if margins else 0.0
    down1, up1, down2, up2 = after - low1, high1 - after, before - low2, high2 - before
    low = math.sqrt(max(0.0, down1**2 - 2 * phi * down1 * up2 + up2**2))
    high = math.sqrt(max(0.0, up1**2 - 2 * phi * up1 * down2 + down2**2))
    return max(-1.0, after - before - low), min(1.0, after - before + high)


def student(p: float, df: int) -> float:
    """Quantile of Student's t: exact for 1 and 2 degrees of freedom, else the expansion of Abramowitz and Stegun 26.7.5."""
    if df == 1:
        return math.tan(math.pi * (p - 0.5))
    if df == 2:
        return (2 * p - 1) / math.sqrt(2 * p * (1 - p))
    z = _NORMAL.inv_cdf(p)
    terms: tuple[float, ...] = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + math.fsum(term / float(df) ** power for power, term in enumerate(terms, 1))


def z_of(confidence: float) -> float:
    return _NORMAL.inv_cdf(0.5 + confidence / 2)
