"""Scores: what a metric said of an output, carried to every component and Parameter behind it.

Where a score reaches a stochastic operation (``pg.stochastic``) it becomes numbers as well: the
score-function gradient of what the sample was drawn from (Williams 1992). From there on the gradient
is a :class:`Credit`, scores with a number that follows the numeric rules.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from paragrad.propagators.base import Base, join
from paragrad.propagators.numeric import Numeric, add
from paragrad.protocols.gradient import Feedback, ScoreRecord, Tag
from paragrad.trace.operation import PASS, TABLE
from paragrad.trace.pull import Sweep
from paragrad.trace.variable import Variable

Scores = tuple[ScoreRecord, ...]
LIKELIHOOD = "likelihood"


class Credit(tuple[ScoreRecord, ...]):
    """Scores, and the numeric gradient they became at a stochastic operation."""

    number: Any

    @classmethod
    def of(cls, scores: Scores, number: Any) -> Scores:
        """``scores`` with a number; without one as they are."""
        if number is None:
            return tuple(scores)
        made = cls(scores)
        made.number = number
        return made


def united(a: Scores, b: Scores) -> Scores:
    """Both scores, each once; numbers are added."""
    numbers = [g.number for g in (a, b) if isinstance(g, Credit)]
    number = None if not numbers else numbers[0] if len(numbers) == 1 else add(*numbers)
    return Credit.of(join(tuple(a), tuple(b)), number) if numbers else join(a, b)


class Score(Base):
    """Score records, several metrics, any range; NaN, errors and outages are told apart from 0.

    Attributes:
        given: every score of this backward; what a score at a stochastic operation is compared with.
    """

    kind = "score"
    local = staticmethod(united)

    def __init__(self) -> None:
        self.given: list[ScoreRecord] = []
        self.default = None if LIKELIHOOD in TABLE.operations else PASS  # a program that draws no samples takes the quick way

    def seed(self, output: Any, feedback: Any) -> Scores | None:
        """One record per metric of a Feedback."""
        if not isinstance(feedback, Feedback):
            return None
        if not feedback.metrics:
            if feedback.score is None:
                return None
            record = _record(output.item, "score", feedback.score, "ok")
            if _counts(record):
                self.given.append(record)
            return (record,)
        status = feedback.metrics.get("status", "ok")
        named = {"score": feedback.score, **{k: v for k, v in feedback.metrics.items() if k != "status"}}
        records = tuple(_record(output.item, name, value, status) for name, value in named.items() if value is not None or name == "score")
        self.given += filter(_counts, records)
        return records if feedback.score is not None or len(records) > 1 or status != "ok" else None

    def pull(self, record: Any, gradient: Scores) -> Sequence[Scores | None]:
        """Scores pass as they are; a number follows the numeric rules, and a stochastic operation adds to it."""
        numbers: Sequence[Any] = [None] * len(record.wanted)
        if isinstance(gradient, Credit):
            numbers = Sweep([], None, False).gradients(_NUMERIC, record.node, gradient.number)
        rule = record.op.rules.get(LIKELIHOOD)
        counted = [r for r in gradient if _counts(r)]
        if rule is not None and counted:
            found = rule(-self.advantage(counted, rule.baseline), record)
            numbers = [a if b is None else b if a is None else add(a, b) for a, b in zip(numbers, found, strict=True)]
        scores = tuple(gradient)
        return [Credit.of(scores, number) if wanted else None for wanted, number in zip(record.wanted, numbers, strict=True)]

    def advantage(self, own: Sequence[ScoreRecord], baseline: float | None) -> float:
        """How much better the scores that a sample led to are than expected: than ``baseline``, or than the mean of the scores
        of this backward that it did not lead to. Neither depends on the sample, so the gradient stays unbiased.
        """
        if baseline is None:
            mine = set(map(id, own))
            others = [_value(r) for r in self.given if id(r) not in mine]
            baseline = math.fsum(others) / len(others) if others else 0.0
        return math.fsum(_value(r) - baseline for r in own)

    def deliver(self, accumulator: Any, gradient: Scores, tag: Tag, stale: bool) -> None:
        """File the records under the component they came through; a number joins the numeric gradient."""
        accumulator.scores.extend([ScoreRecord(r.item, r.metric, r.value, r.status, tag.operation) for r in gradient])
        if isinstance(gradient, Credit):
            _NUMERIC.deliver(accumulator, gradient.number, tag, stale)


_NUMERIC = Numeric()


def _counts(record: ScoreRecord) -> bool:
    """Whether a record is a score to learn from: the metric's, and neither an error nor an outage."""
    return record.metric == "score" and record.value is not None and record.status == "ok"


def _value(record: ScoreRecord) -> float:
    return record.value or 0.0


def _record(item: Any, metric: str, value: Any, status: str) -> ScoreRecord:
    if isinstance(value, Variable):
        value = value._n.value
    if value is None or status == "outage":
        return ScoreRecord(item, metric, None, status if status != "ok" else "none")
    number = float(value)
    return ScoreRecord(item, metric, None, "nan") if math.isnan(number) else ScoreRecord(item, metric, number, status)
