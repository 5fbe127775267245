"""Crossing: the best part of every child, found by blame.

Children of one parent that were scored on the same rows differ in which Parameters their feedback is
about. Of every Parameter the version that is blamed least is taken; what comes of it is scored like any child.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from paragrad.optimizers.blame import Names, imperfect, owners
from paragrad.protocols.evidence import ItemEvidence


def shortfall(items: Sequence[ItemEvidence], ids: Sequence[str]) -> dict[str, float]:
    """What rows fall short of the best score, summed over the Parameters that their feedback is about."""
    names = Names(ids)
    found = dict.fromkeys(ids, 0.0)
    best = max([1.0, *(item.score for item in items if item.score is not None)])
    for item in imperfect(items):
        for id in owners(item, ids, names):
            found[id] += best - (item.score or 0.0)
    return found


def crossed(versions: Sequence[tuple[Mapping[str, Any], Sequence[ItemEvidence]]]) -> dict[str, Any]:
    """Of every Parameter the version that is blamed least; the first of equals.

    Args:
        versions: values and their rows, the best first; all on the same rows.
    """
    ids = list(versions[0][0])
    blames = [shortfall(items, ids) for _, items in versions]
    chosen = {id: min(range(len(versions)), key=lambda i, id=id: blames[i][id]) for id in ids}  # type: ignore[misc]
    return {id: versions[place][0][id] for id, place in chosen.items()}
