"""Delivery: what a backward found is put where it belongs, all or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paragrad.errors import StaleTrace
from paragrad.protocols.gradient import Tag
from paragrad.trace.nodes import Leaf, Node, Version, edge_paths, shown_path
from paragrad.trace.pull import Arrival


def deliver(arrivals: Sequence[Arrival], stale: str, item: int | str | None) -> None:
    """Add every contribution to the accumulator of its leaf or retained record.

    Args:
        arrivals: in structural order.
        stale: "raise", or "keep" to add to a cell that has moved on, tagged.
        item: the item of the outputs, when they have one in common.

    Raises:
        StaleTrace: a cell has moved on and ``stale`` is "raise"; nothing was delivered.
    """
    places = {leaf: _place(leaf, stale) for leaf in dict.fromkeys([arrival[0] for arrival in arrivals])}
    tags: dict[Any, Tag] = {}
    untagged = Tag(item, "", "")
    for leaf, propagator, gradient, consumer, position in arrivals:
        accumulator, is_stale = places[leaf]
        tag = untagged
        if consumer is not None and propagator.tagged:
            path = edge_paths(consumer)[position]
            found = tags.get((consumer.op, path))
            if found is None:
                found = tags[(consumer.op, path)] = Tag(item, consumer.op.name, shown_path(path))
            tag = found
        propagator.deliver(accumulator, gradient, tag, is_stale)


def _place(leaf: Node, stale: str) -> tuple[Any, bool]:
    """The accumulator of a leaf or retained record, and whether the leaf's cell has moved on."""
    if isinstance(leaf, Version):
        is_stale = leaf.version != leaf.cell.current
        if is_stale and stale == "raise":
            _refuse(leaf)
        return leaf.acc, is_stale
    if isinstance(leaf, Leaf):
        return leaf.acc, False
    return leaf.extra.retained if leaf.extra is not None else None, False


def _refuse(leaf: Version) -> None:
    parameter = leaf.cell.handle()
    raise StaleTrace(
        f"{parameter.id if parameter is not None else 'a Parameter'} was read at version {leaf.version} and is now at "
        f'version {leaf.cell.current}; run the program again, or pass stale="keep" to add the gradient all the same'
    )
