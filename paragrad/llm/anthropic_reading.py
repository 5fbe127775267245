"""Reading an answer of the Messages API, whole or streamed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from paragrad.errors import BadResponse, ModelError, ServerFailed
from paragrad.llm.openai_body import parse_json
from paragrad.llm.openai_errors import from_status
from paragrad.llm.secrets import shorten
from paragrad.llm.sse import EventReader
from paragrad.llm.types import Response, ToolCall, Usage

FINISH = {
    "end_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
}
STATUS = {  # an error inside a stream has a type and no status
    "api_error": 500,
    "authentication_error": 401,
    "billing_error": 402,
    "invalid_request_error": 400,
    "not_found_error": 404,
    "overloaded_error": 529,
    "permission_error": 403,
    "rate_limit_error": 429,
    "timeout_error": 504,
}


def read_message(body: Any, where: str) -> Response:
    """The answer in a parsed body.

    Raises:
        BadResponse: the body is no complete message.
        ModelError: the body is an error report.
    """
    if not isinstance(body, dict):
        raise BadResponse(f"{where} sent {shorten(repr(body), 60)} where a message was expected")
    if body.get("type") == "error" or body.get("error"):
        raise failure_of(body, where)
    content, reason = body.get("content"), body.get("stop_reason")
    if not isinstance(content, list):
        raise BadResponse(f"{where} sent no content: {shorten(repr(content), 60)}")
    if not isinstance(reason, str) or not reason:
        raise BadResponse(f"{where} sent an answer without stop_reason: it may be cut off")
    texts, calls = _blocks(content, where)
    if not texts and not calls and reason not in ("max_tokens", "refusal", "end_turn", "stop_sequence"):
        raise BadResponse(f"{where} sent an answer without content (stop_reason {shorten(reason, 30)!r})")
    return Response(
        text="".join(texts),
        tool_calls=calls,
        usage=usage_of(body.get("usage")),
        finish=FINISH.get(reason, reason),
        raw=body,
        texts=("".join(texts),),
        model=body["model"] if isinstance(body.get("model"), str) else "",
    )


def failure_of(body: Mapping[str, Any], where: str) -> ModelError:
    """The error in a body that reports one."""
    error = body.get("error")
    kind = error.get("type") if isinstance(error, Mapping) else None
    return from_status(STATUS.get(str(kind), 500), body, {}, where, begins="/messages")


def usage_of(value: Any) -> Usage:
    """Tokens as they are billed, cached ones included; zeros when the server does not say."""
    if not isinstance(value, Mapping):
        return Usage()
    names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    counts = [value.get(name) or 0 for name in (*names, "output_tokens")]
    if not all(isinstance(count, int) and not isinstance(count, bool) and count >= 0 for count in counts):
        return Usage()
    return Usage(sum(counts[:3]), counts[3])


def _blocks(content: list[Any], where: str) -> tuple[list[str], tuple[ToolCall, ...]]:
    """Texts and tool calls; thinking and what the server ran itself are left out."""
    texts: list[str] = []
    calls: list[ToolCall] = []
    for position, block in enumerate(content):
        kind = block.get("type") if isinstance(block, dict) else None
        if kind == "text" and isinstance(block.get("text"), str):
            texts.append(block["text"])
        elif kind == "tool_use":
            if not isinstance(block.get("name"), str) or not isinstance(block.get("input"), dict):
                raise BadResponse(f"{where} sent a tool call without a name or input: {shorten(repr(block), 80)}")
            calls.append(ToolCall(str(block.get("id") or f"call_{position}"), block["name"], block["input"]))
        elif not isinstance(kind, str) or kind == "text":
            raise BadResponse(f"{where} sent content that is none: {shorten(repr(block), 80)}")
    return texts, tuple(calls)


class MessageEvents(EventReader):
    """Collects the events of one streamed message into the body that an unstreamed one has.

    Args:
        where: model and host, for messages.
        hear: told every piece of text.
    """

    def __init__(self, where: str, hear: Callable[[str], None]) -> None:
        super().__init__(where)
        self._hear = hear
        self._message: dict[str, Any] = {}
        self._blocks: dict[int, dict[str, Any]] = {}
        self._inputs: dict[int, str] = {}

    def event(self, event: dict[str, Any]) -> None:
        """One event; unknown ones are skipped, as the protocol asks."""
        kind = event.get("type")
        if kind == "error":
            raise failure_of(event, self.where)
        if kind == "message_start" and isinstance(event.get("message"), dict):
            self._message = dict(event["message"])
        elif kind == "content_block_start" and isinstance(event.get("content_block"), dict):
            self._blocks[_index(event)] = dict(event["content_block"])
        elif kind == "content_block_delta" and isinstance(event.get("delta"), dict):
            self._delta(_index(event), event["delta"])
        elif kind == "message_delta":
            self._message |= {k: v for k, v in (event.get("delta") or {}).items() if v is not None}
            self._message["usage"] = {**(self._message.get("usage") or {}), **_given(event.get("usage"))}
        elif kind == "message_stop":
            self.finished = True

    def _delta(self, index: int, delta: dict[str, Any]) -> None:
        block = self._blocks.setdefault(index, {"type": "text", "text": ""})
        if delta.get("type") == "text_delta":
            text = str(delta.get("text", ""))
            block["text"] = block.get("text", "") + text
            self._hear(text)
        elif delta.get("type") == "input_json_delta":
            self._inputs[index] = self._inputs.get(index, "") + str(delta.get("partial_json", ""))

    def whole(self) -> dict[str, Any]:
        """The message.

        Raises:
            ServerFailed: the stream ended before it was complete.
        """
        if not self.finished and not self._message.get("stop_reason"):
            raise ServerFailed(f"{self.where} ended its stream before the answer was complete ({len(self._blocks)} blocks had come)")
        for index, text in self._inputs.items():
            self._blocks[index]["input"] = parse_json(text.encode("utf-8", "surrogatepass"), self.where) if text.strip() else {}
        return {**self._message, "content": [self._blocks[index] for index in sorted(self._blocks)]}


def _index(event: Mapping[str, Any]) -> int:
    index = event.get("index")
    return index if isinstance(index, int) else 0


def _given(usage: Any) -> dict[str, Any]:
    return {name: count for name, count in usage.items() if count is not None} if isinstance(usage, dict) else {}
