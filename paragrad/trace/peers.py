"""Peers: Parameters that reach the same model call without another model call in between."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from weakref import ref

from paragrad.trace.nodes import Node, Version


def parameters_into(nodes: Iterable[Any]) -> list[Any]:
    """Parameters behind the operands of a model call, each once, not looking behind other model calls (iterative)."""
    found: dict[int, Any] = {}
    seen: set[int] = set()
    stack = [node for node in nodes if isinstance(node, Node)]
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, Version):
            parameter = node.cell.handle()
            if parameter is not None:
                found.setdefault(id(parameter), parameter)
        elif node.op is not None and node.op.kind != "model":
            stack.extend(x for x in node.operands() if isinstance(x, Node))
    return list(found.values())


def note_peers(parameters: Iterable[Any]) -> None:
    """Make these Parameters peers of each other; a shared one keeps the peers of every use."""
    every = list(parameters)
    for parameter in every:
        known = parameter._meta.peers
        for other in every:
            weak = known.get(id(other))
            if other is not parameter and (weak is None or weak() is not other):
                known[id(other)] = ref(other)


def peers_of(parameter: Any) -> tuple[Any, ...]:
    """The living peers, sorted by id."""
    alive = [other for other in (weak() for weak in parameter._meta.peers.values()) if other is not None]
    return tuple(sorted(alive, key=lambda other: str(other.id)))
