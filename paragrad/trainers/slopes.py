"""Slopes: numeric gradients of the mean score, for optimizers that step numbers.

Where the program's output is numeric, the metric is applied to it once more, as a Variable; what it
computes with arithmetic is then part of the graph. A metric that leaves the graph has no slope.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from paragrad.errors import MetricError
from paragrad.propagators import Numeric
from paragrad.protocols.evidence import ItemEvidence
from paragrad.trace.accumulator import Contribution
from paragrad.trace.backward import backward
from paragrad.trace.nodes import FLOWING
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
    if not scores:
        return {}
    accumulators = {id: parameter._accumulator() for id, parameter in session.parameters.items()}
    backward(scores, [-1.0 / len(scored)] * len(scores), propagators=[Numeric()], retain_graph=True)
    totals = {id: accumulator.total() for id, accumulator in accumulators.items()}
    return {id: Contribution(None, total, "", "") for id, total in totals.items() if total is not None}


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
