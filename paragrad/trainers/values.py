"""Values as JSON, through their spaces: what checkpoints and results are written in."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from paragrad.trace.parameter import Parameter

Parameters = Mapping[str, Parameter[Any]]


def to_json(parameters: Parameters, values: Mapping[str, Any]) -> dict[str, Any]:
    """Id to the text of the space's bytes (base64 where they are no text)."""
    return {id: _text(parameters[id].space.encode(value)) for id, value in values.items()}


def from_json(parameters: Parameters, data: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of :func:`to_json`."""
    return {id: parameters[id].space.decode(_bytes(text)) for id, text in data.items()}


def _text(data: bytes) -> Any:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode("ascii")}


def _bytes(text: Any) -> bytes:
    return text.encode("utf-8") if isinstance(text, str) else base64.b64decode(text["base64"])
