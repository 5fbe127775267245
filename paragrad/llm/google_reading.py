"""Reading an answer of generateContent, whole or streamed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from paragrad.errors import BadRequest, BadResponse, ServerFailed
from paragrad.llm.openai_errors import from_error_object
from paragrad.llm.secrets import shorten
from paragrad.llm.sse import EventReader
from paragrad.llm.types import Response, ToolCall, Usage

FINISH = {"MAX_TOKENS": "length", "STOP": "stop"}
WITHHELD = frozenset({"BLOCKLIST", "IMAGE_SAFETY", "LANGUAGE", "PROHIBITED_CONTENT", "RECITATION", "SAFETY", "SPII"})
BROKEN = frozenset({"MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "UNEXPECTED_TOOL_CALL"})


def read_content(body: Any, where: str) -> Response:
    """The answer in a parsed body.

    Raises:
        BadRequest: the question or the answer was withheld by a filter.
        BadResponse: the body is no complete answer.
        ModelError: the body is an error report.
    """
    if not isinstance(body, dict):
        raise BadResponse(f"{where} sent {shorten(repr(body), 60)} where an answer was expected")
    if body.get("error"):
        raise from_error_object(body["error"], where)
    candidate = _candidate(body, where)
    finish = candidate.get("finishReason")
    if finish in WITHHELD:
        raise BadRequest(f"{where} withheld the answer: {finish}")
    if finish in BROKEN:
        raise BadResponse(f"{where} ended with {finish}: {shorten(str(candidate.get('finishMessage', '')), 80)}")
    if not isinstance(finish, str) or not finish:
        raise BadResponse(f"{where} sent an answer without finishReason: it may be cut off")
    text, calls = _parts(candidate.get("content"), where)
    if not text and not calls and finish != "MAX_TOKENS":
        raise BadResponse(f"{where} sent an answer without content (finishReason {shorten(finish, 30)!r})")
    return Response(
        text=text,
        tool_calls=calls,
        logprobs=_logprobs(candidate.get("logprobsResult")),
        usage=usage_of(body.get("usageMetadata")),
        finish="tool_calls" if calls and finish == "STOP" else FINISH.get(finish, finish.lower()),
        raw=body,
        texts=(text,),
        model=body["modelVersion"] if isinstance(body.get("modelVersion"), str) else "",
    )


def usage_of(value: Any) -> Usage:
    """Tokens as they are billed, thinking included; zeros when the server does not say."""
    if not isinstance(value, Mapping):
        return Usage()
    names = ("promptTokenCount", "toolUsePromptTokenCount", "candidatesTokenCount", "thoughtsTokenCount")
    counts = [value.get(name) or 0 for name in names]
    if not all(isinstance(count, int) and not isinstance(count, bool) and count >= 0 for count in counts):
        return Usage()
    return Usage(sum(counts[:2]), sum(counts[2:]))


def _candidate(body: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    candidates = body.get("candidates")
    if isinstance(candidates, list) and candidates and isinstance(candidates[0], dict):
        return candidates[0]
    feedback = body.get("promptFeedback")
    if isinstance(feedback, Mapping) and feedback.get("blockReason"):
        raise BadRequest(f"{where} refused the question: {shorten(str(feedback['blockReason']), 60)}")
    raise BadResponse(f"{where} sent no candidates: {shorten(repr(candidates), 60)}")


def _parts(content: Any, where: str) -> tuple[str, tuple[ToolCall, ...]]:
    """Text and tool calls; thoughts are left out."""
    parts = content.get("parts") if isinstance(content, Mapping) else None
    texts: list[str] = []
    calls: list[ToolCall] = []
    for part in parts if isinstance(parts, list) else ():
        if not isinstance(part, Mapping):
            raise BadResponse(f"{where} sent a part that is none: {shorten(repr(part), 60)}")
        call = part.get("functionCall")
        if isinstance(part.get("text"), str) and not part.get("thought"):
            texts.append(part["text"])
        elif isinstance(call, Mapping):
            if not isinstance(call.get("name"), str) or not isinstance(call.get("args") or {}, dict):
                raise BadResponse(f"{where} sent a function call without a name or args: {shorten(repr(call), 80)}")
            calls.append(ToolCall(str(call.get("id") or f"call_{len(calls)}"), call["name"], call.get("args") or {}))
    return "".join(texts), tuple(calls)


def _logprobs(value: Any) -> list[Mapping[str, Any]] | None:
    """Per token ``{"token", "logprob", "top"}``; None when the server sent none, or none that can be read."""
    chosen = value.get("chosenCandidates") if isinstance(value, Mapping) else None
    tops = value.get("topCandidates") if isinstance(value, Mapping) else None
    if not isinstance(chosen, list):
        return None
    read: list[Mapping[str, Any]] = []
    for place, row in enumerate(chosen):
        if not isinstance(row, Mapping) or not isinstance(row.get("logProbability"), (int, float)):
            return None
        near = tops[place].get("candidates") or () if isinstance(tops, list) and place < len(tops) else ()
        top = {str(c.get("token")): c.get("logProbability") for c in near if isinstance(c, Mapping)}
        read.append({"token": str(row.get("token")), "logprob": float(row["logProbability"]), "top": top})
    return read


def reasons_of(body: Any) -> list[str]:
    """The machine-readable reasons in an error body."""
    return [str(detail.get("reason", "")) for detail in _details(body)]


def retry_delay(body: Any) -> float | None:
    """Seconds the server asks to wait, from the error's RetryInfo."""
    for detail in _details(body):
        found = re.fullmatch(r"(\d+(?:\.\d+)?)s", str(detail.get("retryDelay", "")))
        if found:
            return float(found[1])
    return None


def _details(body: Any) -> list[Mapping[str, Any]]:
    error = body.get("error") if isinstance(body, Mapping) else None
    details = error.get("details") if isinstance(error, Mapping) else None
    return [detail for detail in details if isinstance(detail, Mapping)] if isinstance(details, list) else []


class ContentEvents(EventReader):
    """Collects the pieces of one streamed answer into the body that an unstreamed one has."""

    def __init__(self, where: str, hear: Callable[[str], None]) -> None:
        super().__init__(where)
        self._hear = hear
        self._head: dict[str, Any] = {}
        self._candidate: dict[str, Any] = {}
        self._parts: list[Any] = []

    def event(self, event: dict[str, Any]) -> None:
        """One piece: an answer whose parts continue those before it."""
        if event.get("error"):
            raise from_error_object(event["error"], self.where)
        self._head |= {name: value for name, value in event.items() if name != "candidates"}
        candidates = event.get("candidates")
        if not isinstance(candidates, list) or not candidates or not isinstance(candidates[0], dict):
            return
        self._candidate |= {name: value for name, value in candidates[0].items() if name != "content"}
        content = candidates[0].get("content")
        for part in (content.get("parts") or ()) if isinstance(content, dict) else ():
            self._parts.append(part)
            if isinstance(part, dict) and isinstance(part.get("text"), str) and not part.get("thought"):
                self._hear(part["text"])

    def whole(self) -> dict[str, Any]:
        """The answer.

        Raises:
            ServerFailed: the stream ended before it was complete.
        """
        if not self._candidate.get("finishReason") and not self._head.get("promptFeedback"):
            raise ServerFailed(f"{self.where} ended its stream before the answer was complete ({len(self._parts)} parts had come)")
        candidate = {**self._candidate, "content": {"role": "model", "parts": self._parts}}
        return {**self._head, **({"candidates": [candidate]} if self._candidate else {})}
