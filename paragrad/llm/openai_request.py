"""Writing a chat completion request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paragrad.llm.types import Request

_NOT_BODY = frozenset({"extra_headers", "extra_query", "extra_body", "headers", "timeout"})


def body_of(request: Request, model: str, *, limit_name: str, stream: bool) -> dict[str, Any]:
    """The JSON body for ``/chat/completions``; options that are not given are not sent.

    Args:
        request: what to ask.
        model: the model's name on that server.
        limit_name: what this server calls the limit of output tokens.
        stream: whether to ask for server-sent events (with usage in the last one).
    """
    body: dict[str, Any] = {"model": model, "messages": [dict(message) for message in request.messages]}
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
    if request.schema is not None:
        body["response_format"] = {"type": "json_schema", "json_schema": {"name": _name(request.schema), "schema": dict(request.schema)}}
    if request.logprobs is not None:
        body |= {"logprobs": True, "top_logprobs": request.logprobs}
    body |= {name: value for name, value in (("temperature", request.temperature), ("seed", request.seed)) if value is not None}
    if request.max_tokens is not None:
        body[limit_name] = request.max_tokens
    if request.stop:
        body["stop"] = list(request.stop)
    if request.n > 1:
        body["n"] = request.n
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    body |= {name: value for name, value in request.extra.items() if name not in _NOT_BODY}
    return body | dict(request.extra.get("extra_body") or {})


def headers_of(request: Request) -> dict[str, str]:
    """Headers for this request alone."""
    given: Mapping[str, str] = request.extra.get("extra_headers") or request.extra.get("headers") or {}
    return dict(given)


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    """A tool declaration in the protocol's envelope."""
    return dict(tool) if "function" in tool or "type" in tool else {"type": "function", "function": dict(tool)}


def _name(schema: Mapping[str, Any]) -> str:
    """A schema's title as the protocol allows names."""
    title = str(schema.get("title") or "answer")
    return "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "_" for c in title)[:64] or "answer"
