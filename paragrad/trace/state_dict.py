"""The values of a program as a plain dict, and back: all of them, or none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paragrad.errors import UsageError
from paragrad.trace.overlay import transaction
from paragrad.trace.parameter import Parameter

_FIELDS = {"value", "requires_grad"}


def dumped(named: Mapping[str, Parameter[Any]]) -> dict[str, Any]:
    """Path to value and flags."""
    return {path: {"value": p.value, "requires_grad": p.requires_grad} for path, p in named.items()}


def load(named: Mapping[str, Parameter[Any]], state: Mapping[str, Any], strict: bool) -> None:
    """Set all values at once; see :meth:`paragrad.trace.module.Module.load_state_dict`."""
    if strict and set(state) != set(named):
        missing, unknown = sorted(set(named) - set(state)), sorted(set(state) - set(named))
        raise UsageError(f"state does not fit this program: missing {missing}, unknown {unknown}; pass strict=False to load what fits")
    entries = {path: _entry(entry) for path, entry in state.items() if path in named}
    values = {path: _fitting(path, named[path], entry["value"]) for path, entry in entries.items()}
    with transaction():
        for path, value in values.items():
            named[path].write(value)
    for path, entry in entries.items():
        if "requires_grad" in entry:
            named[path].requires_grad_(entry["requires_grad"])


def _entry(found: Any) -> Mapping[str, Any]:
    """What ``dumped`` gave, or a plain value: torch's own state_dict holds tensors."""
    return found if isinstance(found, Mapping) and found.keys() == _FIELDS else {"value": found}


def _fitting(path: str, parameter: Parameter[Any], value: Any) -> Any:
    try:
        return parameter.checked(value)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{path}: {error}") from None
