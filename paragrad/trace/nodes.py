"""Nodes: one value each. The graph is nodes that point at the nodes they were made from.

A node is a constant, a leaf that collects gradients, or a record: a value with the operation and
the operands that made it. A :class:`~paragrad.trace.variable.Variable` is only a handle on a node,
so changing a handle never touches what was recorded. Operands are stored in slots, because one
collector-tracked object per operation decides how fast a graph grows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from paragrad.trace.accumulator import Accumulating, Accumulator

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from paragrad.trace.cell import Cell
    from paragrad.trace.operation import Operation


Path = Any
"""An argument's name, or a pair (path of the container, index or key). Shown by :func:`shown_path`."""


class Extra:
    """What few nodes have: names, identity, a call's story. Made on first use; only what is set costs anything."""

    name: str | None = None
    role: str | None = None
    id: str | None = None
    space: Any = None
    handle: Any = None
    call: Any = None
    paths: tuple[Path, ...] | None = None
    args: Mapping[str, Any] | None = None
    item: int | str | None = None
    after: tuple[Node, ...] = ()
    retained: Accumulator | None = None
    drawn: Any = None

    def identity(self) -> Extra:
        """What stays with a Variable when it gets a new value: name, role, id, space, handle."""
        kept = Extra()
        kept.name, kept.role, kept.id, kept.space, kept.handle = self.name, self.role, self.id, self.space, self.handle
        return kept


class Node:
    """One value. ``requires`` says whether gradients flow through it."""

    __slots__ = ("extra", "value")
    requires = False
    op: Operation | None = None

    value: Any
    extra: Extra | None

    def operands(self) -> tuple[Any, ...]:
        """Inputs in edge order: nodes, or raw constants."""
        return ()


def extra_of(node: Node) -> Extra:
    """The node's extra, made if it has none."""
    extra = node.extra
    if extra is None:
        node.extra = extra = Extra()
    return extra


def peek(node: Node) -> Extra | None:
    """The node's extra, or None."""
    return node.extra


class Const(Node):
    """A value that needs no gradient and was not made by a recorded operation."""

    __slots__ = ()

    def __init__(self, value: Any) -> None:
        self.value = value
        self.extra = None


class Leaf(Accumulating, Node):
    """A value the user made that collects gradients."""

    __slots__ = ("acc",)
    requires = True
    acc: Accumulator

    def __init__(self, value: Any) -> None:
        self.value = value
        self.extra = None


class Version(Node):
    """One version of a Parameter's value, as it was read."""

    __slots__ = ("cell", "version")
    requires = True

    def __init__(self, value: Any, version: int, cell: Cell) -> None:
        self.value = value
        self.extra = None
        self.version = version
        self.cell = cell

    @property
    def acc(self) -> Accumulator:
        return self.cell.acc


class FrozenVersion(Version):
    """A version of a Parameter that is not trained."""

    __slots__ = ()
    requires = False


class Record(Node):
    """A value an operation made. Freed once its operation is None. Whoever makes one sets all slots."""

    __slots__ = ("op",)
    requires = True
    op: Operation | None


class Record1(Record):
    """One operand."""

    __slots__ = ("a",)
    a: Any

    def operands(self) -> tuple[Any, ...]:
        return (self.a,)


class Record2(Record):
    """Two operands."""

    __slots__ = ("a", "b")
    a: Any
    b: Any

    def operands(self) -> tuple[Any, ...]:
        return (self.a, self.b)


class RecordN(Record):
    """Any number of operands; ``extra.paths`` names them when the operation's signature does not."""

    __slots__ = ("args",)
    args: tuple[Any, ...]

    def operands(self) -> tuple[Any, ...]:
        return self.args


class Untrained(RecordN):
    """A record through which no gradient flows: drawn, never pulled."""

    __slots__ = ()
    requires = False


FLOWING: frozenset[Any] = frozenset({Record1, Record2, RecordN})
"""Records through which gradients flow. (Nodes have no other classes, so a set decides faster than isinstance.)"""
REQUIRING: frozenset[Any] = FLOWING | {Leaf, Version}
NODES: frozenset[Any] = REQUIRING | {Const, FrozenVersion, Untrained}


def shown_path(path: Path) -> str:
    """``a[0]['k']``: the argument, then the steps inside it."""
    steps: list[str] = []
    while path.__class__ is tuple:
        path, step = path
        steps.append(f"[{step!r}]")
    return "".join([str(path), *reversed(steps)])


def edge_paths(node: Node) -> tuple[Path, ...]:
    """The path of each operand, in edge order."""
    if node.extra is not None and node.extra.paths is not None:
        return node.extra.paths
    return node.op.names(len(node.operands())) if node.op is not None else ()


def edge_names(node: Node) -> tuple[str, ...]:
    """The argument each operand came through, in edge order: ``a``, ``items[0]['k']``."""
    return tuple(map(shown_path, edge_paths(node)))


def edges(node: Node) -> Iterator[tuple[str, Node]]:
    """Named operands that are nodes."""
    for name, operand in zip(edge_names(node), node.operands(), strict=True):
        if isinstance(operand, Node):
            yield name, operand
