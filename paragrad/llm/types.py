"""Request and Response: what every model backend takes and gives.

Both are frozen and JSON-like, so a request has one canonical digest (the cache's and the
journal's key) and a response can be replayed byte for byte.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from operator import attrgetter
from typing import Any

Message = Mapping[str, Any]


def _plain(value: Any) -> Any:
    """What JSON does not know: mappings and dataclasses as dicts, anything else as text."""
    if isinstance(value, Mapping):
        return dict(value)
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)


_CANONICAL = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=_plain).encode


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call. ``usd`` is None when the model's price is not known (never 0 by default)."""

    input_tokens: int = 0
    output_tokens: int = 0
    usd: float | None = None

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class Request:
    """One chat completion request, in the words of the OpenAI protocol.

    Args:
        messages: ``{"role": ..., "content": ...}`` mappings, oldest first.
        tools: JSON tool declarations.
        schema: JSON Schema the answer should satisfy (validated locally, never trusted to the server).
        logprobs: number of top log-probabilities per token, or None.
        extra: backend options passed through as they are.
    """

    messages: Sequence[Message]
    tools: Sequence[Mapping[str, Any]] = ()
    schema: Mapping[str, Any] | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    stop: Sequence[str] = ()
    seed: int | None = None
    n: int = 1
    logprobs: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """A JSON-like dict with every field, defaults included; what the fields hold is shared, not copied."""
        return dict(zip(_REQUEST, _REQUEST_VALUES(self), strict=True))

    def canonical(self) -> str:
        """The one JSON text of this request: sorted names, no blanks."""
        return _CANONICAL(self.to_json())

    def digest(self, *more: Any) -> str:
        """sha256 of the canonical JSON of this request and ``more`` (a model's identity, a sample index)."""
        return digest_of(self.canonical(), *more)


_REQUEST = tuple(f.name for f in fields(Request))
_REQUEST_VALUES = attrgetter(*_REQUEST)


def digest_of(canonical: str, *more: Any) -> str:
    """sha256 of a request's canonical text and ``more``."""
    text = f"[{','.join([canonical, *map(_CANONICAL, more)])}]"
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool the model asks to run; ``arguments`` is parsed JSON."""

    id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Response:
    """One answer.

    Attributes:
        text: the first choice's text; ``texts`` holds all ``n`` of them.
        parsed: the value checked against the request's schema, when one was given.
        logprobs: per output token ``{"token", "logprob", "top": {token: logprob}}``, when asked for.
        finish: "stop", "length", "tool_calls" or the server's own word.
        raw: the server's JSON body, without headers.
        simulated: True when a scripted model answered; carried into every record.
    """

    text: str
    parsed: Any = None
    tool_calls: Sequence[ToolCall] = ()
    logprobs: Sequence[Mapping[str, Any]] | None = None
    usage: Usage = Usage()
    finish: str = "stop"
    raw: Mapping[str, Any] | None = None
    texts: Sequence[str] = ()
    model: str = ""
    simulated: bool = False

    def to_json(self) -> dict[str, Any]:
        """A JSON-like dict with every field; what the fields hold is shared, not copied."""
        data = dict(zip(_RESPONSE, _RESPONSE_VALUES(self), strict=True))
        usage = self.usage
        data["usage"] = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens, "usd": usage.usd}
        data["tool_calls"] = [asdict(call) for call in self.tool_calls] if self.tool_calls else []
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Response:
        """The inverse of :meth:`to_json`."""
        usage = Usage(**(data.get("usage") or {}))
        calls = tuple(ToolCall(**call) for call in data.get("tool_calls") or ())
        return cls(**{**data, "usage": usage, "tool_calls": calls, "texts": tuple(data.get("texts") or ())})


_RESPONSE = tuple(f.name for f in fields(Response))
_RESPONSE_VALUES = attrgetter(*_RESPONSE)
