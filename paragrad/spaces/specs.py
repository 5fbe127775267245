"""From a stored ``spec`` back to its space, by kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paragrad.protocols.space import Space
from paragrad.registry import spaces
from paragrad.spaces.plain import short


def from_spec(spec: Mapping[str, Any]) -> Space[Any]:
    """The space that ``spec`` describes, of a built-in kind or of one a plug-in registered. Runs no code named by the spec's options.

    Raises:
        TypeError: not a mapping, or options its kind does not know.
        UnknownName: a kind that is not registered.
        ValueError: options that make no sense.
    """
    if not isinstance(spec, Mapping) or not isinstance(spec.get("kind"), str):
        raise TypeError(f"a spec is a mapping with a 'kind', got {short(spec)}")
    made: Space[Any] = spaces.get(spec["kind"]).from_spec(spec)
    return made
