"""Subgraph gradients: the trace itself. Each leaf gets the minimal graph from itself to the outputs.

No model is called. What a reader needs of a record is copied while pulling, so the picture outlives
the graph. (Idea: Cheng, Nie, Swaminathan, "Trace is the next AutoDiff", 2024.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from paragrad.propagators.base import Base, join
from paragrad.protocols.gradient import Feedback, Tag
from paragrad.trace.accumulator import item_key
from paragrad.trace.nodes import Node, Path, Version, edge_paths, shown_path
from paragrad.trace.variable import Variable

FEEDBACK = "feedback"


class Operand(NamedTuple):
    """One edge of a call.

    Attributes:
        name: the argument it came through. ``path``: indices and keys inside that argument.
        value: as the call got it.
        key: names the node behind it among the nodes of one backward; None for a plain constant.
        parameter: id of the Parameter that was read, or None.
        label: the name of the Variable that was passed, if it has one.
    """

    name: str
    path: tuple[Any, ...]
    value: Any
    key: int | None = None
    parameter: str | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Calling:
    """One recorded call on the way from a leaf to the outputs.

    A call's output is an operand of a consumer where the consumer's ``operands`` hold its ``key``.

    Attributes:
        op: operation name; "feedback" for the feedback that an output was given, the last call on every way.
        kind: the operation's kind ("operator", "bundle", "model", ...). ``description``: its documentation.
        operands: the edges, in order. ``given``: all arguments by name, as far as they are known.
        value: the output, as critics and optimizers see it; of "feedback" its words.
        item: the example it belongs to; None when it serves several, or none is known.
        feedback, score: what was said of the output, of "feedback" only.
        consumers: the calls that used the output.
    """

    op: str
    kind: str
    description: str | None
    operands: tuple[Operand, ...]
    given: tuple[tuple[str, Any], ...]
    value: Any
    item: Any
    key: int
    feedback: str | None = None
    score: float | None = None
    consumers: tuple[Calling, ...] = field(default=(), repr=False)

    @property
    def arguments(self) -> tuple[tuple[str, Any], ...]:
        """(name, value) of every edge: ``docs[0]``, ``question``."""
        return tuple((f"{o.name}{''.join(f'[{step!r}]' for step in o.path)}", o.value) for o in self.operands)


class Subgraph(Base):
    """The graph between a leaf and the outputs, as data."""

    kind = "subgraph"
    default = None
    local = staticmethod(join)

    def seed(self, output: Any, feedback: Any) -> tuple[Calling, ...] | None:
        """The feedback itself is the last call."""
        text = feedback.text if isinstance(feedback, Feedback) else feedback
        words = _plain(text) if isinstance(_plain(text), str) else None
        score = feedback.score if isinstance(feedback, Feedback) else None
        if words is None and score is None:
            return None
        number = None if score is None else float(_plain(score))
        operand = Operand("output", (), output.value, id(output.node))
        return (Calling(FEEDBACK, FEEDBACK, None, (operand,), (), words, output.item, 0, words, number),)

    def pull(self, record: Any, gradient: tuple[Calling, ...]) -> Sequence[Any]:
        """One call in front of its consumers, the same object for every operand."""
        operands = tuple(_operand(path, x) for path, x in zip(edge_paths(record.node), record.nodes, strict=True))
        op, call = record.op, record.call
        view = call.views.critic if call is not None else None
        calling = Calling(
            op=op.name,
            kind=op.kind,
            description=op.description,
            operands=operands,
            given=_given(record),
            value=record.value if view is None else view,
            item=record.item if record.item is not None else _common_item(gradient),
            key=id(record.node),
            consumers=gradient,
        )
        return [(calling,) if wanted else None for wanted in record.wanted]

    def deliver(self, accumulator: Any, gradient: tuple[Calling, ...], tag: Tag, stale: bool) -> None:
        """Keep the calls that used this leaf."""
        accumulator.graphs.extend(gradient)


def calls_after(starts: Sequence[Calling]) -> list[Calling]:
    """Every call from ``starts`` to the outputs, each once, before its consumers and in the order of their arguments (iterative)."""
    found = _reachable(starts)
    producers = {(consumer, call.key): call for call in found for consumer in call.consumers}
    ends = sorted((call for call in found if not call.consumers), key=lambda call: item_key(call.item))
    stack: list[tuple[Calling, bool]] = [(end, False) for end in reversed(ends)]
    done: set[Calling] = set()
    order: list[Calling] = []
    while stack:
        call, expanded = stack.pop()
        if expanded:
            order.append(call)
        elif call not in done:
            done.add(call)
            stack.append((call, True))
            made = [producers.get((call, operand.key)) for operand in reversed(call.operands) if operand.key is not None]
            stack.extend((producer, False) for producer in made if producer is not None)
    return order


def _reachable(starts: Sequence[Calling]) -> list[Calling]:
    found: dict[Calling, None] = {}
    stack = list(reversed(starts))
    while stack:
        call = stack.pop()
        if call not in found:
            found[call] = None
            stack.extend(reversed(call.consumers))
    return list(found)


def _operand(path: Path, x: Any) -> Operand:
    """An edge as data: a Parameter by its id, a call's output by its key."""
    if not isinstance(x, Node):
        return Operand(*_split(path), x)
    parameter = x.cell.handle() if isinstance(x, Version) else None
    label = x.extra.name if x.extra is not None else None
    return Operand(*_split(path), x.value, id(x), parameter.id if parameter is not None else None, label)


def _split(path: Path) -> tuple[str, tuple[Any, ...]]:
    """An edge's path as the argument's name and the steps inside it."""
    steps: list[Any] = []
    while path.__class__ is tuple:
        path, step = path
        steps.append(step)
    return shown_path(path), tuple(reversed(steps))


def _given(record: Any) -> tuple[tuple[str, Any], ...]:
    """The arguments of a call by name: those of a component, or of an operator with nested operands."""
    extra = record.node.extra
    if extra is not None and extra.args is not None:
        return tuple(extra.args.items())
    return tuple(record.call.input_args.items()) if record.call is not None else ()


def _common_item(consumers: Sequence[Calling]) -> Any:
    items = {consumer.item for consumer in consumers}
    return items.pop() if len(items) == 1 else None


def _plain(value: Any) -> Any:
    return value._n.value if isinstance(value, Variable) else value
