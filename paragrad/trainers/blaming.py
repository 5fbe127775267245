"""Blaming: feedback sent back over the recorded rows, so that an optimizer sees who is to blame.

One backward for all rows at once, in the context they ran in. A row that leaves nothing to wish for
sends nothing, and an operation that leads to no trained Parameter is never criticised.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from paragrad.protocols.evidence import ItemEvidence
from paragrad.protocols.gradient import Feedback
from paragrad.trace.accumulator import by_item
from paragrad.trace.backward import backward
from paragrad.trace.nodes import Leaf, extra_of
from paragrad.trace.parameter import Parameter
from paragrad.trainers.evaluation import Evaluation, all_right


def blamed(
    parameters: Mapping[str, Parameter[Any]],
    found: Evaluation,
    propagators: Sequence[Any],
    *,
    every: bool = False,
    slopes: Mapping[str, Any] | None = None,
) -> Evaluation:
    """Send the feedback of recorded rows back; call it in the context the rows ran in.

    Args:
        every: rows that leave nothing to wish for send their graph too, but no words.
        slopes: numeric gradients by Parameter; they come after the words.

    Returns:
        The evaluation with gradients and graphs filled in and its Variables let go.

    Raises:
        ModelError, BudgetExceeded: the critic got no answer.
    """
    right = all_right(found.scores)
    sent = [(item, fine) for item, fine in zip(found.items, right, strict=True) if _has_graph(item) and (every or not fine)]
    for item, _ in sent:
        extra_of(item.graph._n).item = item.item
    if sent and propagators:
        feedbacks = [Feedback(item.score, None if fine else words_of(item)) for item, fine in sent]
        backward([item.graph for item, _ in sent], feedbacks, propagators=propagators)
    collected = {id: parameter._accumulator() for id, parameter in parameters.items()}
    texts = {id: tuple(by_item(accumulator.texts)) for id, accumulator in collected.items()}
    graphs = [calling for accumulator in collected.values() for calling in accumulator.graphs]
    items = tuple(_filled(item, texts, graphs) for item in found.items)
    for id, slope in (slopes or {}).items():
        texts[id] = (*texts[id], slope)
    return replace(found, items=items, gradients=texts, overlay=None)


def words_of(item: ItemEvidence) -> str:
    """The feedback in words; where the metric said none, its score and what was wanted."""
    if item.feedback:
        return item.feedback
    score = f"The score of this output is {item.score:g}." if item.score is not None else "This output has no score."
    return score if item.target is None else f"{score} Wanted was: {item.target!r}"


def _has_graph(item: ItemEvidence) -> bool:
    node = getattr(item.graph, "_n", None)
    return node is not None and item.score is not None and node.requires and not isinstance(node, Leaf)


def _filled(item: ItemEvidence, texts: Mapping[str, tuple[Any, ...]], graphs: Sequence[Any]) -> ItemEvidence:
    gradients = {id: tuple(dict.fromkeys(c.value for c in found if c.item == item.item)) for id, found in texts.items()}
    starts = dict.fromkeys(calling for calling in graphs if _item_of(calling) == item.item)
    return replace(item, gradients={id: said for id, said in gradients.items() if said}, graph=tuple(starts))


def _item_of(calling: Any) -> Any:
    """The row of a call; a plain operator's is that of the call that used it."""
    while calling.item is None and calling.consumers:
        calling = calling.consumers[0]
    return calling.item
