"""Episodes: demo evidence. Every component on the way adds a step with what went in and came out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from paragrad.propagators.base import Base, join
from paragrad.protocols.data import Episode, Step
from paragrad.protocols.gradient import Feedback, Tag
from paragrad.trace.nodes import Record
from paragrad.trace.variable import Variable


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """How one output fared."""

    item: int | str | None
    output: Any
    score: float | None


class Episodes(Base):
    """Needs a score and no critic: few-shot training runs without a textual backward."""

    kind = "episodes"
    default = None
    local = staticmethod(join)

    def seed(self, output: Any, feedback: Any) -> tuple[Outcome, ...] | None:
        """The outcome, when the feedback has a score."""
        if not isinstance(feedback, Feedback) or feedback.score is None:
            return None
        score = feedback.score._n.value if isinstance(feedback.score, Variable) else feedback.score
        return (Outcome(output.item, output.value, float(score)),)

    def pull(self, record: Any, gradient: tuple[Outcome, ...]) -> Sequence[Any]:
        """Records get the outcome; leaves get an episode of this one step."""
        steps: tuple[Step, ...] = ()
        if record.call is not None:
            steps = (Step(record.call.component or record.op.name, record.call.input_args, record.value),)
        episode = tuple(Episode(steps, o.output, o.score, o.item) for o in gradient)
        return [
            (gradient if isinstance(n, Record) else episode) if want else None for n, want in zip(record.nodes, record.wanted, strict=True)
        ]

    def deliver(self, accumulator: Any, gradient: Any, tag: Tag, stale: bool) -> None:
        """Keep episodes that have a step."""
        accumulator.episodes.extend(e for e in gradient if isinstance(e, Episode) and e.steps)
