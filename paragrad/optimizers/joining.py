"""Joining: one candidate out of the ideas of several groups, from ideas that are new and from ideas that have proved good alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from paragrad.optimizers.fingerprints import fingerprint, marks, read, written
from paragrad.protocols.evidence import Candidate, Evidence

LASTING = 4
"""Steps for which an idea that did well alone is kept for joining."""


def arranged(
    evidence: Evidence, ideas: Mapping[int, Sequence[Candidate]], first: Sequence[Candidate], together: Collection[int], n: int, turn: int
) -> list[Candidate]:
    """At most ``n`` candidates: those given first, the first ideas of some groups joined, then all ideas alone, round by round.

    Args:
        ideas: group to its ideas, the best first.
        together: the groups whose first ideas are joined.
        turn: who comes first alone changes with it.
    """
    groups = [found for found in ideas.values() if found]
    heads = [found[0] for i, found in ideas.items() if found and i in together]
    shift = turn % len(groups) if groups else 0
    found = [*first, *([joined(evidence, heads)] if len(heads) > 1 else [])]
    for i in range(max(map(len, groups), default=0)):
        found += [group[i] for group in (*groups[shift:], *groups[:shift]) if i < len(group)]
    return found[:n]


def joined(evidence: Evidence, ideas: Sequence[Candidate]) -> Candidate:
    """The changes of all ideas in one candidate."""
    changes = {id: idea.values[id] for idea in ideas for id in idea.changed()}
    return evidence.candidate(changes, origin="; ".join(idea.origin for idea in ideas if idea.origin))


def remembered(good: Mapping[str, Any], groups: Sequence[int], candidate: Candidate, evaluation: Any, turn: int) -> dict[str, Any]:
    """Ideas by group that did no worse than the base, with a candidate's evaluation added; the best one of each group.

    Args:
        groups: whose Parameters the candidate changed. An idea that was accepted is part of the base from now on.
    """
    kept = {group: idea for group, idea in good.items() if idea["turn"] >= turn - LASTING}
    if evaluation.accepted:
        return {group: idea for group, idea in kept.items() if int(group) not in groups}
    gain = float(evaluation.delta) * len(evaluation.items) / (len(evaluation.items) + 2)
    if len(groups) != 1 or gain < kept.get(str(groups[0]), {"gain": 0.0})["gain"]:
        return kept
    values = {id: written(candidate.spaces[id], candidate.values[id]) for id in candidate.changed()}
    return {**kept, str(groups[0]): {"gain": gain, "values": values, "origin": candidate.origin, "turn": turn}}


def proven(evidence: Evidence, good: Mapping[str, Any], done: Sequence[str], *, stuck: bool = False) -> Candidate | None:
    """The groups' ideas that did well alone, joined; None with fewer than two, or when this was tried.

    Args:
        stuck: nothing does well alone; ideas that did no worse are joined too.
    """
    spaces = {id: p.space for id, p in evidence.parameters.items() if p.trainable}
    base = marks({id: p.value for id, p in evidence.parameters.items() if p.trainable}, spaces)
    changes: dict[str, Any] = {}
    origins = []
    for idea in (good[group] for group in sorted(good) if stuck or good[group]["gain"] > 0):
        values = {id: read(spaces[id], text) for id, text in idea["values"].items() if id in spaces}
        if any(mark != base[id] for id, mark in marks(values, spaces).items()):
            changes |= values
            origins.append(idea["origin"])
    if len(origins) < 2:
        return None
    candidate = evidence.candidate(changes, origin="; ".join(origins))
    return None if fingerprint(candidate) in done else candidate
