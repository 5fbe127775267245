"""Climbing: gated steps on training rows, each on a fresh batch; what a search does before it spends validation rows.

Every step lets the optimizer learn from the parent on a batch, scores its children on the same rows and
keeps the best one if it beats the parent there. Several children share one evaluation of the parent, and
where several Parameters are trained they are crossed by blame. (A child must beat its parent on the batch:
Agrawal et al., "GEPA", 2025; the gate alone proves little, the race that follows proves more.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from paragrad.protocols.evidence import Candidate
from paragrad.trainers.crossing import crossed
from paragrad.trainers.evaluation import Evaluation, all_right
from paragrad.trainers.jobs import Job
from paragrad.trainers.racing import lead
from paragrad.trainers.rows import Placed
from paragrad.trainers.session import Session
from paragrad.trainers.values import to_json

SLOTS = 16  # candidate numbers per step: the parent, its children, their cross
News = list[tuple[Candidate, Evaluation]]


@dataclass
class Climb:
    """How far a climb came.

    Attributes:
        values: the last values that passed a gate. ``origins``: of those, in order; empty when none did.
        optimizer: the optimizer's state. ``news``: every candidate with its evaluation.
    """

    values: Mapping[str, Any]
    optimizer: Any
    origins: list[str] = field(default_factory=list)
    news: News = field(default_factory=list)


def climb(
    session: Session,
    start: Mapping[str, Any],
    batches: Sequence[Sequence[Placed]],
    optimizer: Any,
    *,
    step: int,
    proposals: int,
    history: Sequence[Candidate] = (),
) -> Climb:
    """Climb from ``start``, one gated step per batch.

    Args:
        optimizer: its state. ``proposals``: children per step, at most 14. ``history``: earlier candidates, scored.
    """
    reached = Climb(start, optimizer)
    for part, rows in enumerate(batches):
        base = session.evaluate(reached.values, rows, step=step, candidate=SLOTS * part, label="reflect", learn=True)
        if all(all_right(base.scores)):
            continue
        base = session.blamed(base, step=step, part=part)
        proposed, reached.optimizer = session.propose(
            reached.values, base, reached.optimizer, step=step, n=proposals, part=part, history=history
        )
        news = _children(session, [c for c in proposed if c.changed()], base, rows, step, SLOTS * part)
        news += _cross(session, reached.values, base, news, rows, step, SLOTS * part)
        top = max((e.delta for _, e in news), default=0.0)
        child = next((c for c, e in news if e.delta == top > 0), None)
        reached.news += [(c, replace(e, accepted=c is child, overlay=None)) for c, e in news]
        if child is not None:
            reached.values = child.values
            reached.origins.append(child.origin)
    return reached


def _children(session: Session, proposed: Sequence[Candidate], base: Evaluation, rows: Sequence[Placed], step: int, slot: int) -> News:
    crosses = _crosses(session, proposed)
    jobs = [Job(c.values, rows, slot + i, c.origin, record=crosses) for i, c in enumerate(proposed, 1)]
    found = session.evaluate_all(jobs, step=step) if jobs else []
    return [(c, replace(e, delta=lead(e.scores, base.scores).mean)) for c, e in zip(proposed, found, strict=True)]


def _crosses(session: Session, proposed: Sequence[Candidate]) -> bool:
    return session.learns and len(proposed) > 1 and len(session.parameters) > 1


def _cross(session: Session, values: Mapping[str, Any], base: Evaluation, news: News, rows: Sequence[Placed], step: int, slot: int) -> News:
    """The child of the children and their parent: of every Parameter the least blamed version, when that is something new."""
    if not _crosses(session, [c for c, _ in news]):
        return []
    ranked = sorted(news, key=lambda pair: -pair[1].delta)
    versions = [(c.values, session.blamed(e, step=step, ask=False).items) for c, e in ranked]
    mixed = crossed([*versions, (values, base.items)])
    made = replace(ranked[0][0], values=mixed, origin=f"cross of {len(ranked)}")
    known = [to_json(session.parameters, one) for one in (values, *(c.values for c, _ in news))]
    if to_json(session.parameters, mixed) in known:
        return []
    found = session.evaluate(mixed, rows, step=step, candidate=slot + SLOTS - 1, label=made.origin)
    return [(made, replace(found, delta=lead(found.scores, base.scores).mean))]
