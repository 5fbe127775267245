"""What a wrapped client's requests and answers say, per endpoint: messages, limits, text, usage.

Only what ledger, record and reader need is read; the client gets the server's own body.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from paragrad.errors import BadResponse, ServerFailed
from paragrad.llm.anthropic_reading import MessageEvents, usage_of
from paragrad.llm.openai_errors import from_error_object
from paragrad.llm.openai_stream import Events
from paragrad.llm.secrets import shorten
from paragrad.llm.sse import EventReader
from paragrad.llm.types import Response, Usage
from paragrad.llm.wrap_asked import asked_chat, asked_inputs, asked_message, asked_prompt, asked_responses

Asked = tuple[list[dict[str, Any]], int | None]
"""Messages, and how many tokens all answers together have at most (None: unknown)."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """One endpoint.

    Attributes:
        ending: the end of its path.
        asked: reads a request's body.
        text: the text in an answer's body.
        usage: the tokens in an answer's body.
        events: a reader of its event stream, None when it has none.
    """

    name: str
    ending: str
    asked: Callable[[Mapping[str, Any]], Asked]
    text: Callable[[Mapping[str, Any]], str]
    usage: Callable[[Any], Usage]
    events: Callable[[str], Any] | None = None

    def read(self, body: Any, where: str) -> Response:
        """The answer in a body.

        Raises:
            BadResponse: it is no JSON object.
            ModelError: it reports an error.
        """
        if not isinstance(body, Mapping):
            raise BadResponse(f"{where} sent {shorten(repr(body), 60)} where an answer was expected")
        if body.get("error"):
            raise from_error_object(body["error"], where)
        text, model = self.text(body), body.get("model")
        return Response(text, usage=self.usage(body.get("usage")), raw=body, texts=(text,), model=model if isinstance(model, str) else "")

    def read_stream(self, data: bytes, where: str) -> Response:
        """The answer in a whole event stream; ``raw["stream"]`` is the stream itself.

        Raises:
            ServerFailed: the stream was cut.
            ModelError: an event reports an error.
        """
        assert self.events is not None
        reader = self.events(where)
        reader.feed(data)
        response = self.read(reader.body(), where)
        whole: dict[str, Any] = {"stream": data.decode("utf-8", "replace")}
        return Response(response.text, usage=response.usage, raw=whole, texts=response.texts, model=response.model)


class _Chat(Events):
    """A chat completion stream. Servers that send no finish reason end it with [DONE]."""

    def body(self) -> dict[str, Any]:
        if self.finished and self._finish is None:
            self._finish = "stop"
        return super().body()


class _Deltas(EventReader):
    """A stream of the legacy completions endpoint."""

    def __init__(self, where: str) -> None:
        super().__init__(where)
        self._whole: dict[str, Any] = {}
        self._text = ""

    def event(self, event: dict[str, Any]) -> None:
        """One piece of text."""
        if event.get("error"):
            raise from_error_object(event["error"], self.where)
        self._text += "".join(str(choice.get("text") or "") for choice in _mappings(event.get("choices")) if not choice.get("index"))
        self._whole = {**self._whole, **event, "usage": event.get("usage") or self._whole.get("usage")}

    def whole(self) -> dict[str, Any]:
        """All of it."""
        if not self.finished:
            raise ServerFailed(f"{self.where} ended its stream before the answer was complete ({len(self._text)} characters had come)")
        return {**self._whole, "choices": [{"text": self._text}]}


class _Typed(EventReader):
    """A stream of the responses endpoint: its last event holds the whole response."""

    def __init__(self, where: str) -> None:
        super().__init__(where)
        self._response: dict[str, Any] | None = None

    def event(self, event: dict[str, Any]) -> None:
        """One event; all but the last ones only tell of progress."""
        kind = event.get("type")
        if kind == "error":
            raise from_error_object(event.get("error") or event, self.where)
        if kind in ("response.completed", "response.incomplete", "response.failed") and isinstance(event.get("response"), dict):
            self._response = event["response"]

    def whole(self) -> dict[str, Any]:
        """The response."""
        if self._response is None:
            raise ServerFailed(f"{self.where} ended its stream before the response was complete")
        return self._response


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _chat_text(body: Mapping[str, Any]) -> str:
    choices = _mappings(body.get("choices"))
    message = choices[0].get("message") if choices else None
    content = message.get("content") if isinstance(message, Mapping) else None
    return content if isinstance(content, str) else ""


def _prompt_text(body: Mapping[str, Any]) -> str:
    choices = _mappings(body.get("choices"))
    return str(choices[0].get("text") or "") if choices else ""


def _output_text(body: Mapping[str, Any]) -> str:
    parts = [part for item in _mappings(body.get("output")) for part in _mappings(item.get("content"))]
    return "".join(str(part.get("text") or "") for part in parts if part.get("type") == "output_text")


def _message_text(body: Mapping[str, Any]) -> str:
    return "".join(str(block.get("text") or "") for block in _mappings(body.get("content")) if block.get("type") == "text")


def _counts(usage: Any) -> Usage:
    """Tokens under either of OpenAI's pairs of names; zeros when the server does not say."""
    if not isinstance(usage, Mapping):
        return Usage()
    pairs = (("prompt_tokens", "completion_tokens"), ("input_tokens", "output_tokens"))
    first, second = next((pair for pair in pairs if pair[0] in usage), pairs[0])
    counts = [usage.get(first) or 0, usage.get(second) or 0]
    if not all(isinstance(count, int) and not isinstance(count, bool) and count >= 0 for count in counts):
        return Usage()
    return Usage(counts[0], counts[1])


def _nobody(text: str) -> None:
    """Nobody listens."""


PROTOCOLS: Mapping[str, tuple[Protocol, ...]] = {
    "anthropic": (Protocol("messages", "/messages", asked_message, _message_text, usage_of, lambda where: MessageEvents(where, _nobody)),),
    "openai": (
        Protocol("chat", "/chat/completions", asked_chat, _chat_text, _counts, lambda where: _Chat(where, _nobody)),
        Protocol("responses", "/responses", asked_responses, _output_text, _counts, _Typed),
        Protocol("completions", "/completions", asked_prompt, _prompt_text, _counts, _Deltas),
        Protocol("embeddings", "/embeddings", asked_inputs, lambda body: "", _counts),
    ),
}


def protocol_of(sdk: str, path: str, body: Any) -> Protocol | None:
    """The endpoint a POST goes to, None for one that cannot be recorded."""
    if not isinstance(body, Mapping) or body.get("background"):
        return None  # a background response is read later, by its number, from a server that goes on working
    found = next((known for known in PROTOCOLS[sdk] if path.endswith(known.ending)), None)
    return None if found is None or (body.get("stream") and found.events is None) else found
