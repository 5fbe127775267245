"""Delivery: what a backward found is put where it belongs, all or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any

from paragrad.errors import StaleTrace
from paragrad.protocols.gradient import Tag
from paragrad.trace.accumulator import Accumulator
from paragrad.trace.nodes import Leaf, Node, Version, edge_names
from paragrad.trace.pull import Sweep


def deliver(sweep: Sweep, stale: str, item: int | str | None) -> None:
    """Add every contribution to the accumulator of its leaf or retained record; what was gathered without tags comes last.

    Args:
        sweep: what was found, in structural order.
        stale: "raise", or "keep" to add to a cell that has moved on, tagged.
        item: the item of the outputs, when they have one in common.

    Raises:
        StaleTrace: a cell has moved on and ``stale`` is "raise"; nothing was delivered.
    """
    leaves = dict.fromkeys([arrival[0] for arrival in sweep.arrivals])
    places = {leaf: _place(leaf, stale) for leaf in chain(leaves, *[gathered for _, gathered in sweep.gathered])}
    far = {leaf: acc for leaf, (acc, _) in places.items() if acc.__class__ is not Accumulator and hasattr(acc, "settle")}
    if far:  # what may fail comes first, so that nothing is delivered by halves
        sweep, outside = sweep.parted(far)
        _hand_over(outside, places, item)
        next(iter(far.values())).settle(list(far.values()))
    _hand_over(sweep, places, item)


def _hand_over(sweep: Sweep, places: Mapping[Any, tuple[Any, bool]], item: int | str | None) -> None:
    tags: dict[Any, Tag] = {}
    untagged = Tag(item, "", "")
    for leaf, propagator, gradient, consumer, position in sweep.arrivals:
        accumulator, is_stale = places[leaf]
        if consumer is None or not propagator.tagged:
            propagator.deliver(accumulator, gradient, untagged, is_stale)
            continue
        extra = consumer.extra
        key = consumer.op, position if extra is None or extra.paths is None else extra.paths[position]
        tag = tags.get(key)
        if tag is None:
            tag = tags[key] = Tag(item, consumer.op.name, edge_names(consumer)[position])
        propagator.deliver(accumulator, gradient, tag, is_stale)
    for propagator, gathered in sweep.gathered:
        for leaf, gradients in gathered.items():
            accumulator, is_stale = places[leaf]
            propagator.deliver_all(accumulator, gradients, untagged, is_stale)


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
        f"{parameter.id if parameter is not None else getattr(leaf.cell, 'name', 'a Parameter')} was read at version {leaf.version} and is now at "
        f'version {leaf.cell.current}; run the program again, or pass stale="keep" to add the gradient all the same'
    )
