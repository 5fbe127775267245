"""Subgraph gradients: the trace itself. Each leaf gets the minimal graph from itself to the outputs.

No model is called. What a reader needs of a record is copied while pulling, so the picture outlives
the graph. (Idea: Cheng, Nie, Swaminathan, "Trace is the next AutoDiff", 2024.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from paragrad.propagators.base import Base, join
from paragrad.protocols.gradient import Feedback, Tag
from paragrad.trace.variable import Variable


@dataclass(frozen=True, slots=True, eq=False)
class Calling:
    """One recorded call on the way from a leaf to the outputs.

    Attributes:
        op: operation name. ``description``: its documentation.
        arguments: (name, shown value or None when it is another call's output).
        value: the output.
        feedback: words given to this output, when it is one of the outputs.
        consumers: the calls that used the output.
    """

    op: str
    description: str | None
    arguments: tuple[tuple[str, Any], ...]
    value: Any
    item: Any
    feedback: str | None = None
    consumers: tuple[Calling, ...] = field(default=(), repr=False)


class Subgraph(Base):
    """The graph between a leaf and the outputs, as data."""

    kind = "subgraph"
    default = None
    local = staticmethod(join)

    def seed(self, output: Any, feedback: Any) -> tuple[Calling, ...] | None:
        """The feedback itself is the last call."""
        text = feedback.text if isinstance(feedback, Feedback) else feedback
        score = feedback.score if isinstance(feedback, Feedback) else None
        if text is None and score is None:
            return None
        words = text._n.value if isinstance(text, Variable) else str(text) if text is not None else None
        return (Calling("feedback", None, (("output", None), ("score", score)), words, output.item, feedback=words),)

    def pull(self, record: Any, gradient: tuple[Calling, ...]) -> Sequence[Any]:
        """One call in front of its consumers, the same object for every operand."""
        from paragrad.trace.nodes import Node

        shown = tuple((name, x.value if isinstance(x, Node) else x) for name, x in zip(record.names, record.nodes, strict=True))
        calling = (Calling(record.op.name, record.op.description, shown, record.value, record.item, consumers=gradient),)
        return [calling if wanted else None for wanted in record.wanted]

    def deliver(self, accumulator: Any, gradient: tuple[Calling, ...], tag: Tag, stale: bool) -> None:
        """Keep the calls that used this leaf."""
        accumulator.graphs.extend(gradient)


def calls_after(starts: Sequence[Calling]) -> Iterator[Calling]:
    """Every call from ``starts`` to the outputs, each once and before its consumers (iterative)."""
    done: set[int] = set()
    finished: list[Calling] = []
    stack: list[tuple[Calling, bool]] = [(start, False) for start in reversed(starts)]
    while stack:
        call, expanded = stack.pop()
        if expanded:
            finished.append(call)
        elif id(call) not in done:
            done.add(id(call))
            stack.append((call, True))
            stack.extend((consumer, False) for consumer in reversed(call.consumers))
    yield from reversed(finished)
