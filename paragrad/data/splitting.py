"""Splitting without leaks: rows with equal inputs, or of one group, never stand on two sides."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from paragrad.data import content
from paragrad.errors import DataError, UsageError

if TYPE_CHECKING:
    from paragrad.data.dataset import Dataset


def split(
    data: Dataset, shares: Sequence[float], *, seed: int = 0, stratify: str | None = None, group: str | None = None
) -> tuple[Dataset, ...]:
    """One part per share; rows keep their order inside a part; what the shares leave is in none.

    The parts depend on seed and content alone, not on the process or on the order of the rows. Sizes
    are the shares rounded, as far as rows that belong together allow.

    Args:
        stratify: a column (or "target") whose values should be spread over the parts evenly.
        group: a column whose equal values must stay together.

    Raises:
        UsageError: shares that are not positive or sum to more than 1.
        DataError: an unknown column, or a part that would be empty.
    """
    if not shares or any(not 0 < share <= 1 for share in shares) or math.fsum(shares) > 1 + 1e-9:
        raise UsageError(f"split{tuple(shares)}: give shares above 0 that sum to at most 1, for instance split(.5, .25, .25)")
    units = _units(data, group)
    strata = _strata(data, units, stratify, seed)
    parts = _deal(strata, [*shares, max(0.0, 1 - math.fsum(shares))], len(data))[: len(shares)]
    for number, part in enumerate(parts, 1):
        if not part:
            raise DataError(
                f"part {number} of {len(shares)} would be empty: {data.source} has {len(data)} rows that fall into {len(units)} "
                "that must stay together; give more rows or fewer parts"
            )
    return tuple(data.take(sorted(part)) for part in parts)


def _units(data: Dataset, group: str | None) -> list[list[int]]:
    """Indices of rows that must stay together: the connected components of "same inputs" and "same group"."""
    parent = list(range(len(data)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    labels: list[Sequence[str]] = [data.keys]
    if group is not None:
        labels.append([content.digest(value) for value in data.column(group)])
    for column in labels:
        first: dict[str, int] = {}
        for index, label in enumerate(column):
            parent[root(index)] = root(first.setdefault(label, index))
    units: dict[int, list[int]] = {}
    for index in range(len(data)):
        units.setdefault(root(index), []).append(index)
    return list(units.values())


def _strata(data: Dataset, units: list[list[int]], stratify: str | None, seed: int) -> list[list[list[int]]]:
    """Units by label, large ones first and otherwise in an order that only seed and content decide."""
    labels = [content.canonical(value) for value in data.column(stratify)] if stratify is not None else [""] * len(data)

    def order(unit: list[int]) -> tuple[int, str]:
        key = min(data.keys[index] for index in unit)
        return -len(unit), hashlib.sha256(f"{seed}|{key}".encode()).hexdigest()

    strata: dict[str, list[list[int]]] = {}
    for unit in units:
        strata.setdefault(min(labels[index] for index in unit), []).append(unit)
    return [sorted(strata[label], key=order) for label in sorted(strata)]


def _deal(strata: list[list[list[int]]], shares: list[float], total: int) -> list[list[int]]:
    """Each unit to the part that is furthest below its share of the strata dealt so far."""
    parts: list[list[int]] = [[] for _ in shares]
    wanted = [0.0] * len(shares)
    for units in strata:
        rows = sum(map(len, units))
        wanted = [want + share * rows for want, share in zip(wanted, shares, strict=True)]
        for unit in units:
            furthest = max(range(len(shares)), key=lambda part: (round(wanted[part] - len(parts[part]), 9), -part))
            parts[furthest].extend(unit)
    return parts
