"""Pictures, sounds and files inside requests: records and digests name them by their content, and stay small."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

_DATA = "data:"


def without_data(messages: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Messages whose inline data is replaced by its sha256 and length; the same object when there is none.

    Equal contents stay equal and others differ, so a digest of the result is as good as one of the whole.
    """
    slim = [_message(message) for message in messages]
    return messages if all(new is old for new, old in zip(slim, messages, strict=True)) else slim


def inline_data(part: Mapping[str, Any]) -> str | None:
    """The base64 text or ``data:`` address inside a content part, or None."""
    inner = part.get(str(part.get("type")))
    if isinstance(inner, str):
        return inner if inner.startswith(_DATA) else None
    if not isinstance(inner, Mapping):
        return None
    for name in ("url", "file_data", "data"):
        value = inner.get(name)
        if isinstance(value, str) and (name != "url" or value.startswith(_DATA)):
            return value
    return None


def _message(message: Mapping[str, Any]) -> Mapping[str, Any]:
    content = message.get("content")
    if not isinstance(content, (list, tuple)):
        return message
    parts = [_part(part) for part in content]
    return message if all(new is old for new, old in zip(parts, content, strict=True)) else {**message, "content": parts}


def _part(part: Any) -> Any:
    data = inline_data(part) if isinstance(part, Mapping) else None
    if data is None:
        return part
    kind = part["type"]
    head = data.partition(",")[0] + "," if data.startswith(_DATA) else ""
    named = f"{head}sha256:{hashlib.sha256(data.encode()).hexdigest()};{len(data)} characters"
    inner = part[kind]
    if isinstance(inner, str):
        return {**part, kind: named}
    return {**part, kind: {name: named if value is data else value for name, value in inner.items()}}
