"""Sending feedback back in a loop written by hand: to some Parameters, with what their optimizer needs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from paragrad import registry
from paragrad.errors import NothingToTrain, UsageError
from paragrad.optimizers.carrying import carriers
from paragrad.protocols.gradient import Feedback
from paragrad.trace.backward import DEFAULT_KINDS, backward
from paragrad.trace.escapes import behind
from paragrad.trace.nodes import FLOWING, Version, extra_of
from paragrad.trace.parameter import Parameter
from paragrad.trace.values import brief
from paragrad.trace.variable import Variable, wrap
from paragrad.trace.views import SeedView


def send_back(
    parameters: Sequence[Parameter[Any]],
    outputs: Any,
    feedback: Any,
    needs: Collection[str],
    critic: Any = None,
    *,
    first: int = 0,
    **options: Any,
) -> int:
    """One backward to ``parameters`` alone.

    Args:
        outputs, feedback: one Variable and what is said of it, or a sequence of each.
        needs: what the optimizer reads; see :class:`paragrad.optimizers.Transform`.
        first: the number of the first output that belongs to no item yet.
        **options: for :func:`paragrad.trace.backward.backward`.

    Returns:
        The next free number.

    Raises:
        NothingToTrain: no output depends on one of the Parameters.
        UsageError: feedback that says nothing, or not one per output.
    """
    outputs, feedbacks = _paired(outputs, feedback)
    if "gradients" in needs:
        feedbacks = _in_words(feedbacks)
    inputs = _reached(parameters, [*outputs, *(f.score for f in feedbacks if isinstance(f, Feedback) and isinstance(f.score, Variable))])
    propagators = carriers({*needs, "graph"} if {"blame", "gradients"} & {*needs} else needs, critic)
    known = {propagator.kind for propagator in propagators}
    propagators += [registry.propagators.get(kind)() for kind in DEFAULT_KINDS if kind not in known]
    for output, said in zip(outputs, feedbacks, strict=True):
        _refuse_silence(output, said, propagators)
    for output in outputs:
        if output._n.__class__ in FLOWING and (output._n.extra is None or output._n.extra.item is None):
            extra_of(output._n).item = first
            first += 1
    backward(outputs, feedbacks, inputs=inputs, propagators=propagators, **options)
    return first


def _paired(outputs: Any, feedback: Any) -> tuple[list[Any], list[Any]]:
    """Outputs and feedbacks, one for each.

    Raises:
        UsageError: an output that is no Variable, or another number of feedbacks.
    """
    if isinstance(outputs, Variable):
        return [outputs], [feedback]
    outputs = list(outputs)
    for output in outputs:
        if not isinstance(output, Variable):
            raise UsageError(f"backward takes outputs of the program, which are Variables, not {brief(output)}")
    if feedback is None:
        return outputs, [None] * len(outputs)
    if isinstance(feedback, (str, Feedback, Variable)) or len(feedback) != len(outputs):
        raise UsageError(f"{len(outputs)} outputs take a list of {len(outputs)} feedbacks, one for each, not {brief(feedback)}")
    return outputs, list(feedback)


def _in_words(feedbacks: Sequence[Any]) -> list[Any]:
    """Feedback as a critic needs it: no words on what is perfect, and some on what got a score alone."""
    scores = [_score(feedback) for feedback in feedbacks]
    unit = all(score is None or score <= 1.0 for score in scores)
    found: list[Any] = []
    for feedback, score in zip(feedbacks, scores, strict=True):
        if score is None:
            found.append(feedback)
        elif unit and score >= 1.0:
            found.append(Feedback(feedback.score, None, **feedback.metrics))
        else:
            found.append(Feedback(feedback.score, feedback.text or f"The score of this output is {score:g}.", **feedback.metrics))
    return found


def _score(feedback: Any) -> float | None:
    score = feedback.score if isinstance(feedback, Feedback) else None
    if isinstance(score, Variable):
        score = score._n.value
    return None if score is None else float(score)


def _reached(parameters: Sequence[Parameter[Any]], roots: Sequence[Variable[Any]]) -> list[Variable[Any]]:
    """The Parameters' values as the outputs read them, whatever context they were read in.

    Raises:
        NothingToTrain: there are none.
    """
    own = {id(parameter) for parameter in parameters}
    found = [node for node in behind(root._n for root in roots) if isinstance(node, Version) and node.requires]
    reached = [wrap(node) for node in found if id(node.cell.handle()) in own]
    if not reached:
        names = ", ".join(parameter.id for parameter in parameters) or "none"
        raise NothingToTrain(
            f"the outputs depend on none of this optimizer's Parameters ({names}): nothing read them while the program ran, "
            "or the graph was freed by an earlier backward"
        )
    return reached


def _refuse_silence(output: Variable[Any], feedback: Any, propagators: Sequence[Any]) -> None:
    """Refuse what would send nothing; an empty Feedback says nothing on purpose.

    Raises:
        UsageError: naming what is missing.
    """
    view = SeedView(output._n, None, False)
    if not isinstance(feedback, Feedback) and all(propagator.seed(view, feedback) is None for propagator in propagators):
        what = "nothing" if feedback is None else f"{brief(feedback)} of type {type(feedback).__name__}"
        raise UsageError(
            f"backward was given {what} as feedback on {brief(output._n.value)}; pass words, a Feedback, a number or a Variable"
        )
