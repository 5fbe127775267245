"""The order of a backward: the records between outputs and leaves, every consumer before what it used.

Two passes without recursion. The first finds records and counts the consumers of shared ones, and so
refuses a freed graph before anything is pulled; the second sorts (Kahn, 1962). The order depends on
the structure alone, never on when or by which thread a record was made.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from paragrad.trace.nodes import FLOWING, Node, Record1, Record2, RecordN, Version


def ordered(roots: Iterable[Node], wanted: set[Any] | None = None) -> list[Any]:
    """Records behind ``roots``, consumers first; with ``wanted`` only those that lead to a wanted leaf.

    Raises:
        RuntimeError: a record was freed.
    """
    starts = [root for root in dict.fromkeys(roots) if root.__class__ in FLOWING]
    order, shared = _walked(starts)
    if shared:
        order = _sorted(starts, shared)
    return order if wanted is None else _leading_to(order, wanted)


def _walked(starts: Sequence[Any]) -> tuple[list[Any], dict[Node, int]]:
    """Every record once, and how many arrivals each shared one waits for before its last (being an output is one).

    When none is shared the graph is a tree, and the walk is already in order. A first operand is gone to at
    once: a chain needs no stack.
    """
    walk: list[Any] = []
    shared: dict[Node, int] = {}
    seen: set[Node] = set(starts)
    stack = list(reversed(starts))
    pop, push, add, found, flowing = stack.pop, stack.append, seen.add, walk.append, FLOWING
    while stack:
        node = pop()
        while True:
            if node.op is None:
                raise RuntimeError("this graph was freed by an earlier backward; call that one with retain_graph=True")
            found(node)
            cls = node.__class__
            for operand in () if cls is Record1 else (node.b,) if cls is Record2 else node.args[:0:-1]:
                if operand.__class__ in flowing:
                    if operand in seen:
                        shared[operand] = shared.get(operand, 0) + 1
                    else:
                        add(operand)
                        push(operand)
            node = node.args[0] if cls is RecordN else node.a
            if node.__class__ not in flowing:
                break
            if node in seen:
                shared[node] = shared.get(node, 0) + 1
                break
            add(node)
    return walk, shared


def _sorted(starts: Sequence[Any], shared: dict[Node, int]) -> list[Any]:
    order: list[Any] = []
    ready: list[Any] = []
    for root in reversed(starts):
        _arrive(root, shared, ready)
    pop, push, add, waits, flowing = ready.pop, ready.append, order.append, shared.get, FLOWING
    while ready:
        node = pop()
        while True:
            add(node)
            cls = node.__class__
            for operand in () if cls is Record1 else (node.b,) if cls is Record2 else node.args[:0:-1]:
                if operand.__class__ in flowing:
                    left = waits(operand)
                    if left:
                        shared[operand] = left - 1
                    else:
                        push(operand)
            node = node.args[0] if cls is RecordN else node.a
            if node.__class__ not in flowing:
                break
            left = waits(node)
            if left:
                shared[node] = left - 1
                break
    return order


def _arrive(record: Any, shared: dict[Node, int], ready: list[Any]) -> None:
    left = shared.get(record)
    if left:
        shared[record] = left - 1
    else:
        ready.append(record)


def _leading_to(order: list[Any], wanted: set[Any]) -> list[Any]:
    """The records on a path to a wanted leaf."""
    leading: set[Node] = set()
    for node in reversed(order):
        for operand in node.operands():
            if isinstance(operand, Node) and operand.requires and (operand in leading or is_wanted(operand, wanted)):
                leading.add(node)
                break
    return [node for node in order if node in leading]


def is_wanted(leaf: Node, wanted: set[Any]) -> bool:
    """Whether a leaf is among those asked for."""
    return (leaf.cell if isinstance(leaf, Version) else leaf) in wanted


def free(order: Iterable[Any]) -> None:
    """Forget operations and inputs, so that what only the graph held is released."""
    for node in order:
        node.op = None
        cls = node.__class__
        if cls is Record2:
            node.a = node.b = None
        elif cls is Record1:
            node.a = None
        else:
            node.args = ()
