"""Where a program's Parameters are found: attributes, containers, nested modules; shared ones once."""

from __future__ import annotations

from functools import lru_cache
from types import FunctionType
from typing import Any

from paragrad.trace.parameter import Parameter

_ATOMS = frozenset({FunctionType, str, int, float, bool, type(None)})  # hold no Parameter: passed over quickly, every call looks here
_METHODS = _ATOMS | {property, staticmethod, classmethod, dict, list, tuple}  # the same for what a class holds


def found_parameters(root: Any) -> dict[str, Parameter[Any]]:
    """Path to Parameter in order of definition (iterative; cycles are fine)."""
    found: dict[str, Parameter[Any]] = {}
    seen: set[int] = {id(root)}
    stack = _members(root)[::-1]
    while stack:
        path, value = stack.pop()
        if id(value) in seen:
            continue
        kind = _kind(value.__class__)
        if kind == "parameter":
            seen.add(id(value))
            found[path] = value
            continue
        inside = _inside(value, kind)
        if inside:
            seen.add(id(value))
            stack.extend([(f"{path}.{key}", child) for key, child in reversed(inside)])
    return found


def found_parts(root: Any) -> list[Any]:
    """``root`` and every part of it that holds Parameters or could: nested modules, prompts, bundles; each once."""
    found: dict[int, Any] = {}
    seen: set[int] = set()
    stack = [root]
    while stack:
        value = stack.pop()
        kind = _kind(value.__class__)
        if kind is None or kind == "parameter" or id(value) in seen:
            continue
        seen.add(id(value))
        if kind == "part":
            found[id(value)] = value
        stack.extend([child for _, child in reversed(_inside(value, kind))])
    return list(found.values())


def _members(owner: Any) -> list[tuple[str, Any]]:
    """Attributes of an instance, then parts that its class holds (bundles, prompts, Parameters)."""
    mine = vars(owner)
    own = [(name, value) for name, value in mine.items() if value.__class__ not in _ATOMS and not name.startswith("__")]
    taken = set(mine)
    for cls in type(owner).__mro__[:-1]:  # object holds nothing
        for name, value in vars(cls).items():
            if value.__class__ not in _METHODS and name not in taken and _kind(value.__class__) in ("parameter", "part"):
                taken.add(name)
                own.append((name, value))
    return own


def _inside(value: Any, kind: str | None) -> list[tuple[Any, Any]]:
    """The children of a container or part, with the step that leads to each."""
    if kind is None or not (kind == "part" or value):
        return []
    if kind == "part":
        return _members(value)
    steps = enumerate(value) if kind == "sequence" else value.items()
    return [(key, child) for key, child in steps if child.__class__ not in _ATOMS]


@lru_cache(maxsize=4096)
def _kind(cls: type) -> str | None:
    """What a value of this type is for the search."""
    if issubclass(cls, Parameter):
        return "parameter"
    if issubclass(cls, (list, tuple)):
        return "sequence"
    if issubclass(cls, dict):
        return "mapping"
    part = not issubclass(cls, type) and callable(getattr(cls, "named_parameters", None)) and cls.__dictoffset__ != 0
    return "part" if part else None
