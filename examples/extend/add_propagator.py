"""A propagator: blame. Every call shares the blame for a bad score evenly among its operands."""

from typing import Any

import paragrad as pg
from paragrad.propagators import Base
from paragrad.protocols.gradient import ScoreRecord
from paragrad.registry import propagators


@propagators.register("blame")
class Blame(Base):
    """What is missing to a score of 1, divided over the operands of every call on the way."""

    kind = "blame"
    default = None  # no operation has a rule of this kind: ask ``pull``

    def seed(self, output: Any, feedback: Any) -> float | None:
        return 1.0 - (feedback.score or 0.0) if isinstance(feedback, pg.Feedback) else None

    def pull(self, record: Any, gradient: float) -> list[float | None]:
        share = gradient / max(1, sum(record.wanted))
        return [share if wanted else None for wanted in record.wanted]

    def merge(self, gradients: Any) -> float:
        return float(sum(gradients))

    def deliver(self, accumulator: Any, gradient: float, tag: Any, stale: Any) -> None:
        accumulator.scores.append(ScoreRecord(tag.item, "blame", gradient, component=tag.operation))


if __name__ == "__main__":
    parameters: list[Any] = [pg.Parameter(text, name=text) for text in ("Hello", "warmly", "Ada")]
    greeting, style, name = parameters
    words = pg.format("{a} {b}", a=greeting, b=style)
    answer = pg.format("{words}, {name}", words=words, name=name)
    answer.backward(pg.Feedback(0.2, "too stiff"), propagators=[Blame()])
    for parameter in parameters:
        print(parameter.id, [round(record.value, 3) for record in parameter.scores])
