"""Parts: the parameters that one step of a rule covers, and how their state is kept and found again.

The state document of an optimizer is ``{"parts": [{"ids": [...], "sizes": [...], "state": {...}}]}``. A
step over other parts (after a parameter was added, or another store laid them out differently) takes
from it what it finds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Part:
    """Some parameters, their values laid end to end (or one parameter in its own shape).

    Attributes:
        ids: as strings. ``sizes``: elements of each. ``values``: float array.
    """

    ids: tuple[str, ...]
    sizes: tuple[int, ...]
    values: Any


def laid_out(elementwise: bool, arrays: Mapping[str, Any]) -> list[Part]:
    """The parts of a step: one per element type for rules that work by element, else one per parameter.

    Args:
        arrays: id to a float array.
    """
    import numpy

    if not elementwise:
        return [Part((id,), (int(array.size),), array) for id, array in arrays.items()]
    kinds: dict[str, list[str]] = {}
    for id, array in arrays.items():
        kinds.setdefault(array.dtype.name, []).append(id)
    return [
        Part(tuple(ids), tuple(int(arrays[id].size) for id in ids), numpy.concatenate([arrays[id].ravel() for id in ids]))
        for ids in kinds.values()
    ]


def document_of(parts: Iterable[tuple[Any, Mapping[str, Any]]]) -> dict[str, Any]:
    """What a store keeps of parts (anything with ``ids`` and ``sizes``) and their states."""
    return {"parts": [{"ids": list(part.ids), "sizes": list(part.sizes), "state": dict(state)} for part, state in parts]}


def resumed(fresh: Mapping[str, Any], part: Any, document: Any) -> Mapping[str, Any]:
    """The state of a part, from the document of the last step (None: there was none).

    Args:
        fresh: the first state of the part, for what the document does not hold.
        part: has ``ids``, ``sizes`` and ``values``.
    """
    known = document["parts"] if document else []
    for entry in known:
        if tuple(entry["ids"]) == part.ids and tuple(entry["sizes"]) == part.sizes:
            state: Mapping[str, Any] = entry["state"]
            return state
    return _gathered(fresh, part, known)


def _gathered(fresh: Mapping[str, Any], part: Any, known: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """``fresh``, with every parameter's entries from wherever ``known`` holds them."""
    places: dict[str, tuple[Mapping[str, Any], int, int]] = {}
    for entry in known:
        start = 0
        for id, size in zip(entry["ids"], entry["sizes"], strict=True):
            places[id] = (entry["state"], start, size)
            start += size
    made = {key: item.copy() if _by_element(item, part) else item for key, item in fresh.items()}
    start = 0
    for id, size in zip(part.ids, part.sizes, strict=True):
        state, at, had = places.get(id, ({}, 0, -1))
        for key, item in state.items():
            if key in made and not _by_element(made[key], part):
                made[key] = item
            elif key in made and had == size:
                made[key].ravel()[start : start + size] = item.ravel()[at : at + size]
        start += size
    return made


def _by_element(item: Any, part: Any) -> bool:
    return bool(getattr(item, "shape", None) == part.values.shape)
