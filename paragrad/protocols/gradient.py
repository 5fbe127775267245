"""Feedback, and the Propagator that carries one kind of gradient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

G = TypeVar("G")


@dataclass(frozen=True, slots=True, init=False)
class Feedback:
    """What a metric says of one output: a score (higher is better), words, and more metrics by name.

    ``Feedback(0.0, "The team was billing.", length=12)``. The score may be a Variable; numbers then
    flow back from it (as -score, because a score is maximised) and words from the text.
    """

    score: Any
    text: Any
    metrics: dict[str, Any] = field(hash=False)

    def __init__(self, score: Any = None, text: Any = None, **metrics: Any) -> None:
        object.__setattr__(self, "score", score)
        object.__setattr__(self, "text", text)
        object.__setattr__(self, "metrics", metrics)


@dataclass(frozen=True, slots=True)
class Tag:
    """Where a gradient came from: the item, the operation and the argument it arrived through."""

    item: int | str | None
    operation: str
    argument: str


@dataclass(frozen=True, slots=True)
class ScoreRecord:
    """One score that reached a Parameter. ``value`` is None when the metric gave none; ``status`` tells why.

    ``status`` is "ok", "nan", "error" (the program failed) or "outage" (the world failed: no score).
    """

    item: int | str | None
    metric: str
    value: float | None
    status: str = "ok"
    component: str = ""


class Propagator(Protocol[G]):
    """How one kind of gradient travels backward.

    Attributes:
        kind: its name in rule tables and registries ("numeric", "text", ...).
        default: the rule of operations that have none of this kind: ``PASS``, or None for ``pull``.
        local: merges two contributions at once, or None when merging needs all of them in order.
    """

    kind: str
    default: Any
    local: Any

    def seed(self, output: Any, feedback: Any) -> G | None:
        """The gradient at the output, or None when this kind of feedback is not in ``feedback``."""

    def pull(self, record: Any, gradient: G) -> Sequence[G | None]:
        """The gradient of every operand of ``record``, in edge order; None where nothing flows."""

    def merge(self, gradients: Sequence[G]) -> G:
        """One gradient from several contributions, in edge order."""

    def slow(self, op: Any) -> bool:
        """Whether pulling through ``op`` calls a model; slow pulls of independent operations run at once."""

    def outward(self, gradient: G) -> Any:
        """The gradient as an operation's own rule gets it (words, a number)."""

    def inward(self, gradient: Any, source: G) -> G | None:
        """What an operation's own rule returned, as this propagator carries it."""

    def deliver(self, accumulator: Any, gradient: G, tag: Tag, stale: bool) -> None:
        """Add a gradient that reached a leaf to what the leaf collected."""
