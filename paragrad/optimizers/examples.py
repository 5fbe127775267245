"""Which rows a call for proposals shows: the worst that somebody is blamed for, and some that went well."""

from __future__ import annotations

from collections.abc import Collection
from random import Random

from paragrad.optimizers.blame import blamed, imperfect
from paragrad.optimizers.showing import LIMIT
from paragrad.protocols.evidence import Evidence, ItemEvidence
from paragrad.spaces.wording import shorten

LINES = 20


def chosen(evidence: Evidence, ids: Collection[str], *, most: int, good: int, place: int, random: Random) -> list[ItemEvidence]:
    """Rows to show when ``ids`` may be changed, bad ones first.

    Args:
        most: how many rows at most. ``good``: how many of them went well.
        place: which candidate it is for. The first sees the worst rows, each further one another draw of bad rows.
        random: draws them.
    """
    guilty = {item.item for _, items in blamed(evidence, ids) for item in items}
    wrong = imperfect(evidence.items)
    bad = [item for item in wrong if item.item in guilty]
    room = max(1, most - good)
    if place and len(bad) > room:
        bad = [bad[i] for i in sorted(random.sample(range(len(bad)), room))]
    amiss = {item.item for item in wrong}
    fine = [item for item in evidence.items if item.score is not None and item.status == "ok" and item.item not in amiss]
    return [*bad[:room], *random.sample(fine, min(good, len(fine)))]


def said(evidence: Evidence, ids: Collection[str]) -> str:
    """What Parameters have collected in words, for rows that say nothing themselves; one line per contribution, at most ``LINES`` each."""
    lines = []
    for id in ids:
        for word in evidence.parameters[id].gradients[:LINES]:
            text = getattr(word, "value", word)
            lines.append(f"{id}: {shorten(str(getattr(text, 'value', text)), LIMIT)}")
    return "\n".join(lines)
