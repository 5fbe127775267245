"""Several metrics as one: the score is their mean, and each is kept under its name."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from inspect import Parameter, Signature
from typing import Any

from paragrad.errors import UsageError
from paragrad.guides.binding import BoundMetric, bind_metric
from paragrad.guides.guide import score_of, weighted_mean
from paragrad.protocols.data import Row
from paragrad.protocols.gradient import Feedback

ROLES = ("row", "output", "target", "trace", "call")
KEYWORD = Parameter.KEYWORD_ONLY


class Several:
    """Metrics judged together; made by :func:`combine`."""

    def __init__(self, metrics: Mapping[str, BoundMetric], weights: Mapping[str, float]) -> None:
        self.metrics = dict(metrics)
        self.weights = dict(weights)
        self.digests = {name: metric.digest for name, metric in metrics.items()}
        self.calls = sum(metric.calls for metric in metrics.values())
        self.__name__ = " + ".join(metrics)
        needed = frozenset({"row", "output"}).union(*(metric.needs for metric in metrics.values()))
        self.__signature__ = Signature([Parameter(role, KEYWORD, default=Parameter.empty if role in needed else None) for role in ROLES])

    def __call__(self, row: Row, output: Any, target: Any = None, trace: Any = None, call: Any = None) -> Feedback:
        """The weighted mean; every score, and the further metrics of each as ``name.metric``; the words under their names."""
        found: dict[str, Feedback] = {}
        for name, metric in self.metrics.items():
            found[name] = metric(row, output, trace=trace, call=call)
        scores = {name: score_of(feedback) for name, feedback in found.items()}
        further = {f"{name}.{more}": value for name, feedback in found.items() for more, value in feedback.metrics.items()}
        words = [f"{name}: {feedback.text}" for name, feedback in found.items() if feedback.text is not None]
        mean = weighted_mean([scores[name] for name in self.weights], list(self.weights.values()))
        return Feedback(mean, "\n".join(words) or None, **scores, **further)

    def check(self, row: Row) -> None:
        """Whether every metric can judge such a row."""
        for metric in self.metrics.values():
            metric.check(row)


def combine(metrics: Sequence[Any] | Mapping[str, Any], weights: Mapping[str, float] | None = None) -> Several:
    """Several metrics as one: ``fit(..., metric=["f1", judge])`` and ``metric={"words": "f1", "tone": judge}`` mean this.

    Args:
        metrics: anything a metric may be; without names they are called as they call themselves.
        weights: per name, not negative; None: all count alike.

    Raises:
        UsageError: no metric, two of one name, or weights that do not fit.
    """
    bound = _named(metrics)
    given = {str(name): float(weight) for name, weight in (weights or dict.fromkeys(bound, 1.0)).items()}
    if set(given) != set(bound) or any(not math.isfinite(weight) or weight < 0 for weight in given.values()) or not any(given.values()):
        raise UsageError(f"weights={weights!r}: give one number per metric ({', '.join(bound)}), none negative, not all 0")
    return Several(bound, {name: given[name] for name in bound})


def _named(metrics: Sequence[Any] | Mapping[str, Any]) -> dict[str, BoundMetric]:
    if isinstance(metrics, Mapping):
        bound = {str(name): bind_metric(metric) for name, metric in metrics.items()}
    else:
        listed = [bind_metric(metric) for metric in metrics]
        bound = {metric.name: metric for metric in listed}
        if len(bound) < len(listed):
            raise UsageError(
                f"two of the metrics {', '.join(m.name for m in listed)} have one name; name them: metric={{'a': ..., 'b': ...}}"
            )
    if not bound:
        raise UsageError("no metric is given; give at least one")
    taken = [name for name in bound if name in ("score", "text")]
    if taken:
        raise UsageError(f"a metric is called {taken[0]!r}, which means the mean of all; choose another name")
    return bound
