"""Escapes: Parameters and Variables read as plain values inside a call.

An f-string, ``str(p)`` or ``p.value`` loses the place of the value in the result, but never the
edge: the enclosing call's output gets an operand ``read:<name>``.
"""

from __future__ import annotations

import sys
from typing import Any

from paragrad.trace.nodes import Node, Version, peek


class Reads:
    """What one call has read, in order, each node once.

    Attributes:
        nodes: the nodes read.
        where: "file:line" of the first read of each.
        strict: raise at the read, for ``@bundle(strict=True)``.
    """

    __slots__ = ("known", "nodes", "outer", "strict", "where")

    def __init__(self, strict: bool = False, outer: Reads | None = None) -> None:
        self.nodes: list[Node] = []
        self.where: list[str] = []
        self.known: set[int] = set()
        self.strict = strict
        self.outer = outer

    def note(self, node: Node) -> None:
        """Remember a read of ``node``, unless it is a plain constant.

        Raises:
            RuntimeError: the call is strict and did not declare it.
        """
        if not (node.requires or isinstance(node, Version)) or id(node) in self.known:
            return
        place = _caller()
        if self.strict:
            raise RuntimeError(f"{label_of(node)} was read at {place} but is not an argument of this strict bundle; pass it as an argument")
        self.known.add(id(node))
        self.nodes.append(node)
        self.where.append(place)

    def declared(self, nodes: list[Node]) -> None:
        """Arguments are no escapes."""
        self.known.update(map(id, nodes))


def label_of(node: Node) -> str:
    """The name of what was read, for edges and messages."""
    cell: Any = getattr(node, "cell", None)
    if cell is not None:
        parameter = cell.handle()
        return str(parameter.id) if parameter is not None else "parameter"
    extra = peek(node)
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
