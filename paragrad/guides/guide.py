"""AutoGuide, the feedback oracle as a class; and the one form that every metric's answer takes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

from paragrad.errors import MetricError
from paragrad.protocols.gradient import Feedback
from paragrad.trace.variable import Variable

FORMS = "return a bool, a number, (score, text), {metric: value} or pg.Feedback(score, text)"


class AutoGuide:
    """Gives feedback on a response. Subclass it and write ``get_feedback``."""

    def get_feedback(self, query: Any, response: Any, reference: Any = None) -> Any:
        """A bool, a number, (score, text), {metric: value} or ``Feedback``; higher is better."""
        raise NotImplementedError(f"{type(self).__name__} must define get_feedback(self, query, response, reference=None); {FORMS}")

    def __call__(self, query: Any, response: Any, reference: Any = None) -> Feedback:
        """The feedback in its one form."""
        return as_feedback(self.get_feedback(query, response, reference), type(self).__name__)


def as_feedback(answer: Any, who: str = "the metric") -> Feedback:
    """A :class:`Feedback` with a finite float score from whatever a metric may return.

    A mapping's main score is its entry "score", else the mean of its values; its entry "text" is the words,
    the others are further metrics. A Variable stays one, so that numbers and words can flow back from it.

    Raises:
        MetricError: anything else, and scores that are None, NaN or infinite; the message shows the value.
    """
    if isinstance(answer, Feedback):
        score, text, metrics = answer.score, answer.text, answer.metrics
    elif isinstance(answer, tuple):
        if len(answer) != 2:
            raise MetricError(f"{who} returned a tuple of {len(answer)}: {_short(answer)}; {FORMS}")
        (score, text), metrics = answer, {}
    elif isinstance(answer, Mapping):
        score, text, metrics = _from_mapping(answer, who)
    else:
        score, text, metrics = answer, None, {}
    if text is not None and not isinstance(_raw(text), str):
        raise MetricError(f"{who} returned {_short(text)} as text beside the score {_short(score)}; the text is a str or None")
    checked = {str(name): _number(value, f"{who}, metric {name!r},", answer) for name, value in metrics.items()}
    return Feedback(_number(score, who, answer), text, **checked)


def score_of(feedback: Feedback) -> float:
    """The score as a plain float, also where it is a Variable."""
    return float(_raw(feedback.score))


def weighted_mean(values: Sequence[float], weights: Sequence[float]) -> float:
    """The mean of finite numbers; exact for equal ones, finite for huge ones."""
    whole = math.fsum(weights)
    try:
        return math.fsum(value * weight for value, weight in zip(values, weights, strict=True)) / whole
    except OverflowError:
        return math.fsum(value * (weight / whole) for value, weight in zip(values, weights, strict=True))


def _from_mapping(answer: Mapping[Any, Any], who: str) -> tuple[Any, Any, dict[str, Any]]:
    metrics = {str(name): value for name, value in answer.items() if name not in ("score", "text")}
    if "score" in answer:
        return answer["score"], answer.get("text"), metrics
    if not metrics:
        raise MetricError(f"{who} returned {_short(answer)}, which holds no score; {FORMS}")
    values = [_raw(_number(value, f"{who}, metric {name!r},", answer)) for name, value in metrics.items()]
    return weighted_mean(values, [1.0] * len(values)), answer.get("text"), metrics


def _number(value: Any, who: str, answer: Any) -> Any:
    """A finite float (or the Variable that holds one)."""
    raw = _raw(value)
    if getattr(raw, "shape", None) == () and hasattr(raw, "item"):  # scalars of numpy and torch
        raw = raw.item()
    if not isinstance(raw, Real):
        if raw is None:
            raise MetricError(f"{who} returned no score: {_short(answer)}; {FORMS}")
        raise MetricError(f"{who} returned {_short(raw)}, which is no number; {FORMS}")
    number = float(raw)
    if not math.isfinite(number):
        raise MetricError(f"{who} returned the score {number}; a score is a finite number")
    return value if isinstance(value, Variable) else number


def _raw(value: Any) -> Any:
    return value.value if isinstance(value, Variable) else value


def _short(value: Any, limit: int = 120) -> str:
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
