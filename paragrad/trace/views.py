"""What a propagator sees: of an output when it seeds, of a record when it pulls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paragrad.trace.call import call_of
from paragrad.trace.nodes import Node, edge_names
from paragrad.trace.operation import Operation
from paragrad.trace.variable import wrap


class SeedView:
    """An output.

    Attributes:
        node: its node. ``item``: what it belongs to, or None.
        create_graph: whether the backward itself is recorded.
        feedback: what was said of it. ``claimed``: whether a propagator made a gradient of that.
    """

    __slots__ = ("claimed", "create_graph", "feedback", "item", "node")

    def __init__(self, node: Node, item: Any, create_graph: bool, feedback: Any = None) -> None:
        self.node = node
        self.item = item
        self.create_graph = create_graph
        self.feedback = feedback
        self.claimed = False

    @property
    def value(self) -> Any:
        """The output's raw value."""
        return self.node.value


class RecordView:
    """A record. ``wanted[i]`` says whether operand i needs a gradient."""

    __slots__ = ("create_graph", "node", "wanted")

    def __init__(self, node: Any, create_graph: bool, wanted: Sequence[bool]) -> None:
        self.node = node
        self.create_graph = create_graph
        self.wanted = wanted

    @property
    def op(self) -> Operation:
        """The operation."""
        found: Operation = self.node.op
        return found

    @property
    def value(self) -> Any:
        """The output's raw value."""
        return self.node.value

    @property
    def names(self) -> tuple[str, ...]:
        """The argument every operand came through."""
        return edge_names(self.node)

    @property
    def item(self) -> Any:
        """The item in which it was recorded, or None."""
        extra = self.node.extra
        return extra.item if extra is not None else None

    @property
    def call(self) -> Any:
        """The component's story, or None."""
        return call_of(self.node)

    @property
    def operands(self) -> list[Any]:
        """Raw operand values in edge order; Variables when the backward itself is recorded."""
        return operand_values(self.node, self.create_graph)

    @property
    def nodes(self) -> tuple[Any, ...]:
        """Operands as recorded."""
        return self.node.operands()  # type: ignore[no-any-return]


def operand_values(node: Any, create_graph: bool) -> list[Any]:
    """Operand values: raw, or Variables when the backward itself is recorded."""
    if create_graph:
        return [wrap(x) if isinstance(x, Node) else x for x in node.operands()]
    return [x.value if isinstance(x, Node) else x for x in node.operands()]
