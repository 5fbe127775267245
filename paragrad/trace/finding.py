"""Where a program's Parameters are found: attributes, containers, nested modules; shared ones once."""

from __future__ import annotations

from types import FunctionType
from typing import Any

from paragrad.trace.parameter import Parameter

_ATOMS = frozenset({FunctionType, str, int, float, bool, type(None)})  # hold no Parameter: passed over quickly, every call looks here
_METHODS = _ATOMS | {property, staticmethod, classmethod, dict, list, tuple}  # the same for what a class holds


def found_parameters(root: Any) -> dict[str, Parameter[Any]]:
    """Path to Parameter in order of definition (iterative; cycles are fine)."""
    found: dict[str, Parameter[Any]] = {}
    seen: set[int] = {id(root)}
    stack: list[tuple[str, Any]] = list(reversed(_members(root)))
    while stack:
        path, value = stack.pop()
        if id(value) in seen:
            continue
        if isinstance(value, Parameter):
            seen.add(id(value))
            found[path] = value
            continue
        inside = _inside(value)
        if inside:
            seen.add(id(value))
            stack.extend((f"{path}{_step(key)}", child) for key, child in reversed(inside))
    return found


def _members(owner: Any) -> list[tuple[str, Any]]:
    """Attributes of an instance, then parts that its class holds (bundles, prompts, Parameters)."""
    own = [(name, value) for name, value in vars(owner).items() if value.__class__ not in _ATOMS and not name.startswith("__")]
    known = set(vars(owner))
    for cls in type(owner).__mro__[:-1]:  # object holds nothing
        for name, value in vars(cls).items():
            if value.__class__ not in _METHODS and name not in known and (isinstance(value, Parameter) or _is_part(value)):
                known.add(name)
                own.append((name, value))
    return own


def _is_part(value: Any) -> bool:
    return not isinstance(value, type) and callable(getattr(value, "named_parameters", None)) and hasattr(value, "__dict__")


def _inside(value: Any) -> list[tuple[Any, Any]]:
    """The children of a container or part, with the step that leads to each."""
    if isinstance(value, (list, tuple)):
        return [(i, child) for i, child in enumerate(value) if child.__class__ not in _ATOMS]
    if isinstance(value, dict):
        return [(key, child) for key, child in value.items() if child.__class__ not in _ATOMS]
    if _is_part(value):
        return _members(value)
    return []


def _step(key: Any) -> str:
    return f".{key}"
