"""Escapes: Parameters and Variables read as plain values inside a call.

An f-string, ``str(p)`` or ``p.value`` loses the place of the value in the result, but never the
edge: the enclosing call's output gets an operand ``read:<name>``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from paragrad.trace.nodes import Node, Version
from paragrad.trace.state import STATE, within


class Escape(NamedTuple):
    """One value read as a plain one. ``where`` is "file:line"; ``parameter`` is None for a once-off Variable."""

    label: str
    where: str
    node: Node

    @property
    def parameter(self) -> Any:
        """The Parameter that was read."""
        cell: Any = getattr(self.node, "cell", None)
        return cell.handle() if cell is not None else None


class Reads:
    """What one call has read, in order, each node once.

    Attributes:
        nodes: the nodes read.
        strict: raise at the read, for ``@bundle(strict=True)``.
        every: note constants too, not only what gradients could flow to.
    """

    __slots__ = ("declared", "every", "nodes", "outer", "strict")

    def __init__(self, strict: bool = False, outer: Reads | None = None, every: bool = False, declared: Sequence[Node] = ()) -> None:
        self.nodes: list[Node] = []
        self.declared = declared
        self.strict = strict
        self.outer = outer
        self.every = every

    def note(self, node: Node) -> None:
        """Remember a read of ``node``, unless it was declared; of constants only those a user made.

        Raises:
            RuntimeError: the call is strict and did not declare it.
        """
        if not (node.requires or isinstance(node, Version) or (self.every and node.extra is not None)):
            return
        if _among(node, self.declared) or _among(node, self.nodes):
            return
        place = _caller()
        if self.strict:
            raise RuntimeError(f"{label_of(node)} was read at {place} but is not an argument of this strict bundle; pass it as an argument")
        self.nodes.append(node)
        self.tell(Escape(label_of(node), place, node))

    def declare(self, node: Node) -> None:
        """A value made inside the call is no escape."""
        self.declared = (*self.declared, node)

    def tell(self, escape: Escape) -> None:
        """Pass an escape on to whoever watches from outside."""
        if self.outer is not None:
            self.outer.tell(escape)


def _among(node: Node, nodes: Sequence[Node]) -> bool:
    return any(other is node for other in nodes)


class Watch(Reads):
    """Every escape of a block, also those inside nested calls.

    Attributes:
        escapes: in the order of the reads.
    """

    __slots__ = ("escapes",)

    def __init__(self, outer: Reads | None) -> None:
        super().__init__(outer=outer)
        self.escapes: list[Escape] = []

    def tell(self, escape: Escape) -> None:
        """Keep it, and pass it on."""
        self.escapes.append(escape)
        super().tell(escape)

    def lost(self, outputs: Iterable[Any]) -> list[Escape]:
        """Escapes of Parameters on which none of ``outputs`` depends: training could not reach them."""
        cells = {node.cell for node in behind(output._n for output in outputs) if isinstance(node, Version)}
        return [escape for escape in self.escapes if isinstance(escape.node, Version) and escape.node.cell not in cells]


@contextmanager
def watch() -> Iterator[Watch]:
    """Collect the escapes of a block::

    with watch() as seen:
        out = program(row)
    seen.escapes, seen.lost([out])
    """
    seen = Watch(STATE.get().reads)
    with within(reads=seen):
        yield seen


def behind(nodes: Iterable[Node]) -> Iterator[Node]:
    """Every node from which these were made, themselves first, each once (iterative)."""
    stack = list(nodes)
    seen: set[int] = set()
    while stack:
        node = stack.pop()
        if id(node) not in seen:
            seen.add(id(node))
            yield node
            stack.extend(operand for operand in node.operands() if isinstance(operand, Node))


def label_of(node: Node) -> str:
    """The name of what was read, for edges and messages."""
    cell: Any = getattr(node, "cell", None)
    if cell is not None:
        parameter = cell.handle()
        return str(parameter.id) if parameter is not None else "parameter"
    extra = node.extra
    return (extra.name or extra.role if extra is not None else None) or "variable"


def _caller() -> str:
    """file:line of the nearest frame outside this package's trace folder."""
    here = __file__.rpartition("/")[0]
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(here):
        if frame.f_back is None:
            break
        frame = frame.f_back
    return f"{frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_lineno}"
