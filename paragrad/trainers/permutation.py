"""The paired permutation test: exact where it can be, seeded draws where it cannot."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from random import Random

DRAWS = 20_000
ENUMERATED = 28  # differences up to which every sign is tried
_TABLE_BYTES = 1 << 22


def permutation(differences: Sequence[float], seed: int = 0) -> float:
    """Two-sided p of the mean difference when every sign might as well be the other.

    Exact when there are at most 28 nonzero differences or all are multiples of one small unit; else from 20,000
    seeded draws, with (hits + 1) / (draws + 1), which never claims too much.
    """
    moved = [abs(d) for d in differences if d]
    total = abs(math.fsum(differences))
    slack = 1e-9 * math.fsum(moved)
    if not moved or total <= slack:
        return 1.0
    units = _units(moved)
    if units is not None:
        return _by_polynomial(units, round(total / moved[0] * units[0]))
    if len(moved) <= ENUMERATED:
        return _by_halves(moved, total - slack)
    return _by_draws(moved, total - slack, seed)


def _units(sizes: Sequence[float]) -> list[int] | None:
    """The differences as whole multiples of 1/q for a small q, when they are and the table stays small."""
    for q in range(1, 101):
        units = [round(size * q) for size in sizes]
        if all(unit and abs(unit - size * q) < 1e-9 * unit for unit, size in zip(units, sizes, strict=True)):
            return units if sum(units) * (len(units) // 8 + 1) <= _TABLE_BYTES else None
    return None


def _by_polynomial(units: Sequence[int], total: int) -> float:
    """Count subsets by sum: the coefficients of the product of (1 + x^u), held as the limbs of one integer."""
    width = len(units) // 8 + 1
    product = 1
    for unit in units:
        product += product << (8 * width * unit)
    most = (sum(units) - total) // 2  # a subset of this sum or less, flipped, is at least as extreme
    limbs = (product & ((1 << (8 * width * (most + 1))) - 1)).to_bytes(width * (most + 1), "little")
    tail = sum(int.from_bytes(limbs[place : place + width], "little") for place in range(0, len(limbs), width))
    return min(1.0, 2 * tail / (1 << len(units)))


def _by_halves(sizes: Sequence[float], total: float) -> float:
    """All signs, as sums of two sorted halves."""
    sums: list[list[float]] = []
    for half in (sizes[::2], sizes[1::2]):
        found = [0.0]
        for size in half:
            found = [s + sign * size for s in found for sign in (1, -1)]
        sums.append(sorted(found))
    tail = sum(len(sums[1]) - bisect_left(sums[1], total - s) for s in sums[0])
    return min(1.0, 2 * tail / (1 << len(sizes)))


def _by_draws(sizes: Sequence[float], total: float, seed: int) -> float:
    """Random signs, eight at a time from tables of their 256 sums."""
    padded = [*sizes, *[0.0] * (-len(sizes) % 8)]
    tables = []
    for first in range(0, len(padded), 8):
        table = [0.0]
        for size in padded[first : first + 8]:
            table = [s + size for s in table] + [s - size for s in table]
        tables.append(table)
    random = Random(seed)
    hits = 0
    for _ in range(DRAWS):
        drawn = sum(table[signs] for table, signs in zip(tables, random.randbytes(len(tables)), strict=True))
        hits += abs(drawn) >= total
    return (hits + 1) / (DRAWS + 1)
