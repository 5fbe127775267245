"""Episodes: demo evidence. Every component on the way adds a step with what went in and came out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paragrad.propagators.base import Base, join
from paragrad.protocols.data import Episode, Step
from paragrad.protocols.gradient import Feedback, Tag
from paragrad.trace.nodes import Record
from paragrad.trace.variable import Variable


class Outcome:
    """How one output fared."""

    __slots__ = ("item", "output", "score")

    def __init__(self, item: int | str | None, output: Any, score: float | None) -> None:
        self.item = item
        self.output = output
        self.score = score


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
        episode: tuple[Episode, ...] | None = None
        parts: list[Any] = []
        for node, want in zip(record.node.operands(), record.wanted, strict=True):
            if want and not isinstance(node, Record):
                episode = episode or _episode(record, gradient)
                parts.append(episode)
            else:
                parts.append(gradient if want else None)
        return parts

    def deliver(self, accumulator: Any, gradient: Any, tag: Tag, stale: bool) -> None:
        """Keep episodes that have a step."""
        accumulator.episodes.extend([e for e in gradient if isinstance(e, Episode) and e.steps])


def _episode(record: Any, outcomes: Sequence[Outcome]) -> tuple[Episode, ...]:
    """What became of every output that this record is a step of."""
    call = record.call
    steps = (Step(call.component or record.op.name, call.input_args, record.value),) if call is not None else ()
    return tuple([Episode(steps, o.output, o.score, o.item) for o in outcomes])
