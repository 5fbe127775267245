"""Reading requests that somebody else wrote: messages in our words, and a bound of the answer's tokens.

The messages are for readers and for the budget's bound; what a request is named by is its whole body.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from paragrad.llm.secrets import without_secrets
from paragrad.llm.types import Request

SHOWN = frozenset({"messages", "input", "prompt", "system", "instructions", "tools"})  # fields the messages and tools hold already
ELSEWHERE = ("conversation", "previous_response_id", "prompt")  # what is asked lies at the server: its length is unknown
_UNBOUNDED = {"type": "image_url", "image_url": {"url": "elsewhere"}}
_TEXTS = frozenset({"text", "input_text", "output_text", "refusal"})


def request_of(protocol: str, path: str, body: Mapping[str, Any], asked: tuple[list[dict[str, Any]], int | None]) -> Request:
    """A request as digests, records and ledgers take it; free of keys."""
    public = redacted(body)
    text = json.dumps(public, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    messages, limit = asked
    tools = public.get("tools")
    extra = {
        "protocol": protocol,
        "path": path,
        "sha256": hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
        "options": {name: value for name, value in public.items() if name not in SHOWN},
    }
    return Request(
        messages or [{"role": "user", "content": ""}],
        tools=[tool for tool in tools if isinstance(tool, Mapping)] if isinstance(tools, list) else (),
        max_tokens=limit,
        extra=extra,
    )


def redacted(value: Any) -> Any:
    """JSON without fields that are named like keys and headers."""
    if isinstance(value, Mapping):
        return {name: redacted(inner) for name, inner in without_secrets(value).items()}
    return [redacted(inner) for inner in value] if isinstance(value, list) else value


def asked_chat(body: Mapping[str, Any]) -> tuple[list[dict[str, Any]], int | None]:
    """Chat completions."""
    limit = _whole(body.get("max_completion_tokens"), body.get("max_tokens"))
    choices = _whole(body.get("n")) or 1
    return _messages(body.get("messages")), None if limit is None else limit * choices


def asked_responses(body: Mapping[str, Any]) -> tuple[list[dict[str, Any]], int | None]:
    """Responses."""
    given = body.get("input")
    messages = [_user(given)] if isinstance(given, str) else _messages(given)
    if any(body.get(name) for name in ELSEWHERE):
        messages = [{"role": "user", "content": [_UNBOUNDED]}, *messages]
    return [*_system(body.get("instructions")), *messages], _whole(body.get("max_output_tokens"))


def asked_message(body: Mapping[str, Any]) -> tuple[list[dict[str, Any]], int | None]:
    """Anthropic's messages."""
    return [*_system(body.get("system")), *_messages(body.get("messages"))], _whole(body.get("max_tokens"))


def asked_prompt(body: Mapping[str, Any]) -> tuple[list[dict[str, Any]], int | None]:
    """Legacy completions."""
    messages = _each(body.get("prompt"))
    limit = _whole(body.get("max_tokens"))
    choices = (_whole(body.get("n")) or 1) * max(1, len(messages))
    return messages, None if limit is None else limit * choices


def asked_inputs(body: Mapping[str, Any]) -> tuple[list[dict[str, Any]], int | None]:
    """Embeddings: no text is written."""
    return _each(body.get("input")), 0


def _each(given: Any) -> list[dict[str, Any]]:
    """A text, or a list of texts (or of token numbers, shown as they are)."""
    if isinstance(given, list) and all(isinstance(text, str) for text in given):
        return [_user(text) for text in given]
    return [_user(given if isinstance(given, str) else json.dumps(given))]


def _system(given: Any) -> list[dict[str, Any]]:
    return [{"role": "system", "content": _content(given)}] if given else []


def _user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def _messages(given: Any) -> list[dict[str, Any]]:
    """Messages, or items of any other kind, as messages."""
    return [_message(redacted(item)) for item in given] if isinstance(given, list) else []


def _message(item: Any) -> dict[str, Any]:
    if not isinstance(item, Mapping) or "role" not in item:
        return _user(item if isinstance(item, str) else json.dumps(item, ensure_ascii=False))
    return {**item, "content": _content(item.get("content"))}


def _content(content: Any) -> Any:
    """Text, or a list of text and image parts in OpenAI's words."""
    return [_part(part) for part in content] if isinstance(content, list) else content


def _part(part: Any) -> Any:
    """Images keep their address, so that an outside one counts as unbounded; anything else is shown as text."""
    kind = part.get("type") if isinstance(part, Mapping) else None
    if kind in ("image_url", "input_audio", "file"):
        return part
    if kind in _TEXTS:
        return {"type": "text", "text": str(part.get("text") or part.get("refusal") or "")}
    if kind == "input_image" and isinstance(part.get("image_url"), str):
        return {"type": "image_url", "image_url": {"url": part["image_url"]}}
    source = part.get("source") if kind in ("image", "document") else None
    if isinstance(source, Mapping) and source.get("type") == "base64":
        return {"type": "image_url", "image_url": {"url": f"data:{source.get('media_type')};base64,{source.get('data')}"}}
    if kind in ("image", "document", "input_image", "input_file", "container_upload"):
        return _UNBOUNDED
    return {"type": "text", "text": part if isinstance(part, str) else json.dumps(part, ensure_ascii=False)}


def _whole(*values: Any) -> int | None:
    """The first whole number."""
    return next((value for value in values if isinstance(value, int) and not isinstance(value, bool)), None)
