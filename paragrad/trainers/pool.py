"""Pool: candidates that a search keeps, with their scores on the validation rows in one fixed order.

Every candidate has scores of the first rows of that order, so any two can be compared row by row.
Entries are plain data; a pool is replaced and never changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from paragrad.trainers.racing import Lead, lead

Entry = dict[str, Any]
Pool = Sequence[Entry]


def entry(
    values: Mapping[str, Any], scores: Sequence[float | None], *, parents: Sequence[int] = (), origin: str = "", round: int = 0
) -> Entry:
    """One candidate.

    Args:
        values: encoded. ``scores``: of the first validation rows. ``parents``: places in the pool.
        origin: in words. ``round``: which one found it.
    """
    return {"values": dict(values), "scores": list(scores), "parents": list(parents), "origin": origin, "round": round}


def scored(pool: Pool, place: int, scores: Sequence[float | None]) -> list[Entry]:
    """The pool with more scores of one candidate; fewer than it has change nothing."""
    if len(scores) <= len(pool[place]["scores"]):
        return list(pool)
    return [{**one, "scores": list(scores)} if i == place else one for i, one in enumerate(pool)]


def leads(pool: Pool, best: int) -> list[Lead]:
    """The lead of every candidate over the best one."""
    return [lead(one["scores"], pool[best]["scores"]) for one in pool]


def sampled(pool: Pool, best: int, random: Random) -> int:
    """Thompson sampling: a draw from what is known of every candidate's lead; the largest wins.

    (Thompson, 1933.) Candidates that were scored on few rows get their chance by their uncertainty.
    """
    draws = [found.mean + found.error * random.gauss(0, 1) if i != best else 0.0 for i, found in enumerate(leads(pool, best))]
    return max(range(len(pool)), key=lambda i: (draws[i], -i))


def fronts(pool: Pool) -> dict[int, list[int]]:
    """Row to the candidates that no other one beats on it, among those scored on it (ties share).

    Rows on which all agree say nothing and are left out. (Agrawal et al., "GEPA", 2025.)
    """
    longest = max(len(one["scores"]) for one in pool)
    found: dict[int, list[int]] = {}
    for row in range(longest):
        known = [(i, one["scores"][row]) for i, one in enumerate(pool) if row < len(one["scores"]) and one["scores"][row] is not None]
        if len(known) < 2:
            continue
        top = max(score for _, score in known)
        winners = [i for i, score in known if score == top]
        if len(winners) < len(known):
            found[row] = winners
    return found


def from_front(pool: Pool, random: Random) -> int | None:
    """A candidate drawn by the share of rows on which it is among the best; None when no row tells them apart."""
    weights = [0.0] * len(pool)
    for winners in fronts(pool).values():
        for i in winners:
            weights[i] += 1 / len(winners)
    return random.choices(range(len(pool)), weights)[0] if any(weights) else None


def ancestors(pool: Pool, place: int) -> set[int]:
    """Everything a candidate descends from, itself included."""
    found: set[int] = set()
    waiting = [place]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += pool[one]["parents"]
    return found


def common_ancestor(pool: Pool, a: int, b: int) -> int | None:
    """The latest candidate both descend from; None when one descends from the other."""
    above_a, above_b = ancestors(pool, a), ancestors(pool, b)
    if a in above_b or b in above_a:
        return None
    return max(above_a & above_b, default=None)
