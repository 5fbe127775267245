"""Textual gradients: words that travel from feedback on an output to the texts that made it.

String operations and containers hand words on as they are. An operation of the user's (a bundle, a
model call) asks the critic, once, what the feedback means for each of its arguments; without a
critic the words pass unchanged and no model is ever called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from paragrad.propagators.base import Base
from paragrad.protocols.gradient import Feedback, Tag
from paragrad.trace.accumulator import Contribution
from paragrad.trace.operators import OPERATIONS
from paragrad.trace.record import operate
from paragrad.trace.values import brief, is_numeric, same_form
from paragrad.trace.variable import Variable, wrap

Critic = Callable[[Any, Any], Any]


class Segment:
    """Some words and the item they are about. ``value`` is a Variable while the backward is recorded."""

    __slots__ = ("item", "value")

    def __init__(self, item: int | str | None, value: Any) -> None:
        self.item = item
        self.value = value


Words = tuple[Segment, ...]


class Text(Base):
    """Words, with a critic per operation.

    Args:
        critic: ``critic(record, feedback)`` returns the feedback for each wanted argument: a mapping by
            argument name or a sequence in edge order; None for an argument means "nothing to say".
            It may return strings, or Variables, whose history is then part of the gradient.
    """

    kind = "text"

    def __init__(self, critic: Critic | None = None) -> None:
        self.critic = critic
        if critic is None:
            self.local = united
        else:
            self.default = None

    def seed(self, output: Any, feedback: Any) -> Words | None:
        """The words of the feedback; a scalar text without feedback seeds itself.

        Raises:
            RuntimeError: a textual Variable given as gradient of an output that is no text.
        """
        text = feedback.text if isinstance(feedback, Feedback) else feedback
        if feedback is None and is_text(output.value):
            text = wrap(output.node)
        if isinstance(text, Variable):
            value = text._n.value
            if not isinstance(feedback, Feedback) and not is_numeric(value) and not same_form(value, output.value):
                raise RuntimeError(
                    f"the gradient {brief(value)} and the output {brief(output.value)} differ in kind or shape; "
                    "a Variable must match the output, plain words fit any"
                )
            if is_numeric(value):
                return None
            return (Segment(output.item, text if output.create_graph else value),)
        return (Segment(output.item, text),) if isinstance(text, str) else None

    def slow(self, op: Any) -> bool:
        """The user's operations ask the critic, unless they have a rule of their own."""
        return self.critic is not None and op.kind != "operator" and self.kind not in op.rules

    def pull(self, record: Any, gradient: Words) -> Sequence[Words | None]:
        """Ask the critic; generated operators and reads hand the words on."""
        if self.critic is None or record.op.kind in ("operator", "read"):
            return [gradient if wanted else None for wanted in record.wanted]
        answer = _by_edge(self.critic(record, self.outward(gradient)), record)
        if not record.create_graph:
            answer = [part._n.value if isinstance(part, Variable) else part for part in answer]
        return [self.inward(part, gradient) if wanted else None for part, wanted in zip(answer, record.wanted, strict=True)]

    def merge(self, gradients: Sequence[Words]) -> Words:
        """All segments, each once, in edge order."""
        merged = gradients[0]
        for gradient in gradients[1:]:
            merged = united(merged, gradient)
        return merged

    def outward(self, gradient: Words) -> Any:
        """The words as one text (a Variable while the backward is recorded)."""
        values = [segment.value for segment in gradient]
        if len(values) == 1:
            return values[0]
        if any(isinstance(value, Variable) for value in values):
            return operate(OPERATIONS["join"], ("\n", values))
        return "\n".join(value if isinstance(value, str) else brief(value) for value in values)

    def inward(self, gradient: Any, source: Words) -> Words | None:
        """One segment about the item of its source; empty words are nothing."""
        if gradient is None or (isinstance(gradient, str) and not gradient.strip()):
            return None
        items = {segment.item for segment in source}
        return (Segment(items.pop() if len(items) == 1 else None, gradient),)

    def deliver(self, accumulator: Any, gradient: Words, tag: Tag, stale: bool) -> None:
        """One contribution per item, tagged (item, operation, argument)."""
        if len(gradient) == 1:
            segment = gradient[0]
            accumulator.texts.append(Contribution(segment.item, segment.value, tag.operation, tag.argument, stale))
            return
        by_item: dict[Any, list[Segment]] = {}
        for segment in gradient:
            by_item.setdefault(segment.item, []).append(segment)
        for item, segments in by_item.items():
            accumulator.texts.append(Contribution(item, self.outward(tuple(segments)), tag.operation, tag.argument, stale))


def united(a: Words, b: Words) -> Words:
    """Two ropes as one. Words that were already said of an item are not said again, so a ladder of k diamonds stays O(k)."""
    if a is b:
        return a
    known = {_said(segment) for segment in a}
    fresh = tuple(segment for segment in b if _said(segment) not in known)
    return a + fresh if fresh else a


def _said(segment: Segment) -> tuple[Any, Any]:
    return segment.item, segment.value if isinstance(segment.value, str) else id(segment.value)


def is_text(value: Any) -> bool:
    """A text, or a list that holds one text and nothing else."""
    return isinstance(value, str) or (isinstance(value, (list, tuple)) and len(value) == 1 and isinstance(value[0], str))


def _by_edge(answer: Any, record: Any) -> list[Any]:
    """A critic's answer in edge order.

    Raises:
        TypeError: it is neither a mapping by argument nor one text per operand.
    """
    names = record.names
    if isinstance(answer, Mapping):
        return [answer.get(name, answer.get(name.partition("[")[0])) for name in names]
    if isinstance(answer, (str, Variable)):
        return [answer] * len(names)
    if isinstance(answer, Sequence) and len(answer) == len(names):
        return list(answer)
    raise TypeError(
        f"the critic answered {brief(answer)} for {record.op!r}; answer one text per argument ({', '.join(names)}), in order or by name"
    )
