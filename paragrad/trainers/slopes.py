"""Slopes: numeric gradients of the mean score, for optimizers that step numbers.

Where the program's output is numeric, the metric is applied to it once more, as a Variable; what it
computes with arithmetic is then part of the graph. A metric that leaves the graph has no slope. Where
the program drew samples (``pg.stochastic``), the rows' scores become slopes of what they were drawn from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from paragrad.errors import MetricError
from paragrad.propagators import Numeric, Score
from paragrad.propagators.score import LIKELIHOOD, Credit
from paragrad.protocols.evidence import ItemEvidence
from paragrad.protocols.gradient import Feedback, ScoreRecord, Tag
from paragrad.trace.accumulator import Contribution
from paragrad.trace.backward import backward
from paragrad.trace.escapes import behind
from paragrad.trace.nodes import FLOWING
from paragrad.trace.operation import TABLE
from paragrad.trace.state import within
from paragrad.trace.values import is_numeric
from paragrad.trace.variable import Variable

if TYPE_CHECKING:
    from paragrad.trainers.evaluation import Evaluation
    from paragrad.trainers.session import Session


def slopes_of(session: Session, found: Evaluation) -> dict[str, Contribution]:
    """By Parameter what a loss, minus the mean score of the rows, changes by; call it in the context the rows ran in.

    The graphs of the rows stay for what is sent over them later.
    """
    scored = [item for item in found.items if item.score is not None]
    scores = [score for item in scored if (score := _score(session, item)) is not None]
    drawn = [item for item in scored if _has_samples(item)]
    if not scores and not drawn:
        return {}
    accumulators = {id: parameter._accumulator() for id, parameter in session.parameters.items()}
    if scores:
        backward(scores, [-1.0 / len(scored)] * len(scores), propagators=[Numeric()], retain_graph=True)
    if drawn:
        given = [Feedback(item.score) for item in drawn]
        backward([item.graph for item in drawn], given, propagators=[_Mean(len(scored))], retain_graph=True)
    totals = {id: accumulator.total() for id, accumulator in accumulators.items()}
    return {id: Contribution(None, total, "", "") for id, total in totals.items() if total is not None}


class _Mean(Score):
    """Scores of which the mean over some rows is differentiated, not the sum."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.rows = rows

    def advantage(self, own: Sequence[ScoreRecord], baseline: float | None) -> float:
        """A row's share."""
        return super().advantage(own, baseline) / self.rows

    def deliver(self, accumulator: Any, gradient: Any, tag: Tag, stale: bool) -> None:
        """Only numbers: the scores themselves go another way."""
        if isinstance(gradient, Credit):
            Numeric().deliver(accumulator, gradient.number, tag, stale)


def _has_samples(item: ItemEvidence) -> bool:
    """Whether an operation that drew a sample lies behind a row's output."""
    output = item.graph
    if LIKELIHOOD not in TABLE.operations or not isinstance(output, Variable) or not output._n.requires:
        return False
    return any(node.op is not None and LIKELIHOOD in node.op.rules for node in behind([output._n]))


def _score(session: Session, item: ItemEvidence) -> Variable[Any] | None:
    """The score of a row as a Variable that depends on something trained, or None."""
    output = item.graph
    if not isinstance(output, Variable) or not output._n.requires or not is_numeric(output._n.value) or session.metric.calls:
        return None
    placed = session.placed[item.item]
    try:
        with within(record=True, reads=None, steps=None):
            score = session.metric(placed.row, output).score
    except MetricError:  # it takes plain numbers only
        return None
    return score if isinstance(score, Variable) and score._n.__class__ in FLOWING else None
