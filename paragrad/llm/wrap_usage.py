"""Streams of chat completions say what they used only when asked to; a wrapped client asks, and hides that it did."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def asks_too_little(protocol: str, body: Mapping[str, Any]) -> bool:
    """Whether a streamed answer to this body would not say what it used."""
    return protocol == "chat" and bool(body.get("stream")) and "stream_options" not in body


def with_usage(library: Any, request: Any, body: Mapping[str, Any]) -> Any:
    """The same HTTP request, asking for usage."""
    content = json.dumps({**body, "stream_options": {"include_usage": True}}, ensure_ascii=False).encode()
    headers = [(name, value) for name, value in request.headers.multi_items() if name.lower() != "content-length"]
    return library.Request(request.method, request.url, headers=headers, content=content, extensions=request.extensions)


def without_usage(data: bytes) -> bytes:
    """An event stream without the event that tells the usage alone."""
    return b"\n\n".join(event for event in data.replace(b"\r\n", b"\n").split(b"\n\n") if not _tells_usage(event))


def _tells_usage(event: bytes) -> bool:
    if not event.startswith(b"data:"):
        return False
    try:
        value = json.loads(event[5:])
    except ValueError:
        return False
    return isinstance(value, Mapping) and value.get("choices") == [] and bool(value.get("usage"))
