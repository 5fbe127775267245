"""Merging two candidates that learnt different things from a common ancestor. (Agrawal et al., "GEPA", 2025: system-aware merge.)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from paragrad.trainers.pool import Pool, common_ancestor


def merged(a: Mapping[str, Any], b: Mapping[str, Any], ancestor: Mapping[str, Any]) -> dict[str, Any] | None:
    """Per Parameter the value that changed since the ancestor; where both changed, ``a``'s. None when nothing new comes of it."""
    values = {id: value if value != ancestor[id] else b[id] for id, value in a.items()}
    return None if values in (dict(a), dict(b)) else values


def mergeable(pool: Pool, places: Sequence[int], tried: Sequence[Sequence[int]], random: Random) -> tuple[int, int, int] | None:
    """A pair worth merging and its ancestor: neither descends from the other, and each changed something of its own.

    Args:
        places: candidates that may take part, the better first. ``tried``: pairs that were merged before.
    """
    done = {tuple(pair) for pair in tried}
    pairs = [(a, b) for i, a in enumerate(places) for b in places[i + 1 :] if (a, b) not in done and (b, a) not in done]
    for a, b in random.sample(pairs, len(pairs)):
        root = common_ancestor(pool, a, b)
        if root is not None and merged(pool[a]["values"], pool[b]["values"], pool[root]["values"]) is not None:
            return a, b, root
    return None
