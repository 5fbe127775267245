"""Binding private Parameters to flat groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paragrad.stores.flat_cells import FlatCell, ParameterGroup
from paragrad.stores.flat_collected import FlatAccumulator, FlatVersionCell
from paragrad.stores.flat_rules import element_kind
from paragrad.trace.cell import Cell


def bound(parameters: Sequence[Any]) -> list[ParameterGroup] | None:
    """The flat groups of these Parameters, one per type of element; None when one of them cannot lie in a group.

    A Parameter of another group leaves that one, with all its members; an optimizer that had it binds them again.
    """
    groups = {id(p._bound.group): p._bound.group for p in parameters if isinstance(p._bound, FlatCell)}
    members = [id(cell.parameter()) for group in groups.values() for cell in group.cells]
    if groups and members == _sorted(parameters):
        return list(groups.values())
    for group in groups.values():
        group.absorb()
        group.release()
    kinds: dict[str, list[Any]] = {}
    for parameter in parameters:
        kind = _kind_of(parameter)
        if kind is None:
            return None
        kinds.setdefault(kind, []).append(parameter)
    made = [ParameterGroup(own) for own in kinds.values()]
    for group in made:
        for cell in group.cells:
            _bind(cell.parameter(), cell)
    return made


def _sorted(parameters: Sequence[Any]) -> list[int]:
    """The identities of Parameters in the order in which their groups hold them."""
    groups: dict[int, list[int]] = {}
    for parameter in parameters:
        groups.setdefault(id(getattr(parameter._bound, "group", None)), []).append(id(parameter))
    return [one for own in groups.values() for one in own]


def _kind_of(parameter: Any) -> str | None:
    private = parameter._bound is None and parameter._meta.store is None and getattr(parameter._meta, "pending", None) is None
    if not private or parameter._lost or parameter._cell.__class__ is not Cell or parameter.kind not in ("number", "tensor"):
        return None
    return element_kind(parameter._live().value, parameter.space.spec())


def _bind(parameter: Any, cell: FlatCell) -> None:
    mine, flat = parameter._cell.acc, FlatAccumulator(cell)
    flat.numbers, flat.parts, flat.folded = mine.numbers, mine.parts, mine.folded
    flat.texts, flat.scores, flat.episodes, flat.graphs = mine.texts, mine.scores, mine.episodes, mine.graphs
    if flat.numbers or flat.parts:
        cell.group.strays.append(flat)
    parameter._cell.acc = flat
    parameter._cell.__class__ = FlatVersionCell
    parameter._bound, parameter._leaf = cell, None
