"""Scores: what a metric said of an output, carried to every component and Parameter behind it."""

from __future__ import annotations

import math
from typing import Any

from paragrad.propagators.base import Base, join
from paragrad.protocols.gradient import Feedback, ScoreRecord, Tag
from paragrad.trace.variable import Variable

Scores = tuple[ScoreRecord, ...]


class Score(Base):
    """Score records, several metrics, any range; NaN, errors and outages are told apart from 0."""

    kind = "score"
    local = staticmethod(join)

    def seed(self, output: Any, feedback: Any) -> Scores | None:
        """One record per metric of a Feedback."""
        if not isinstance(feedback, Feedback):
            return None
        status = feedback.metrics.get("status", "ok")
        named = {"score": feedback.score, **{k: v for k, v in feedback.metrics.items() if k != "status"}}
        records = tuple(_record(output.item, name, value, status) for name, value in named.items() if value is not None or name == "score")
        return records if feedback.score is not None or len(records) > 1 or status != "ok" else None

    def deliver(self, accumulator: Any, gradient: Scores, tag: Tag, stale: bool) -> None:
        """File the records under the component they came through."""
        accumulator.scores.extend([ScoreRecord(r.item, r.metric, r.value, r.status, tag.operation) for r in gradient])


def _record(item: Any, metric: str, value: Any, status: str) -> ScoreRecord:
    if isinstance(value, Variable):
        value = value._n.value
    if value is None or status == "outage":
        return ScoreRecord(item, metric, None, status if status != "ok" else "none")
    number = float(value)
    return ScoreRecord(item, metric, None, "nan") if math.isnan(number) else ScoreRecord(item, metric, number, status)
