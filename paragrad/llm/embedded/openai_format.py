"""Requests and answers in the words of the OpenAI chat completion protocol."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paragrad.errors import BadRequest, ModelError
from paragrad.llm.embedded.model import EmbeddedModel
from paragrad.llm.types import Request, Response


@dataclass(frozen=True, slots=True)
class Call:
    """A parsed HTTP body: the request, whether to stream, and whether a stream ends with usage."""

    body: Request
    stream: bool
    usage: bool


class UnknownModel(ModelError):
    """The body names a model that is not here."""


def parse_request(data: bytes) -> Call:
    """An HTTP body as a request.

    Raises:
        BadRequest: not JSON, or a field of the wrong type.
        UnknownModel: another model than ``embedded``.
    """
    try:
        body = json.loads(data)
    except ValueError as error:
        raise BadRequest(f"the body is not JSON: {error}", status=400) from error
    if not isinstance(body, dict):
        raise BadRequest(f"the body is a JSON {type(body).__name__}, not an object", status=400)
    if body.get("model") != EmbeddedModel.name:
        raise UnknownModel(f"there is no model {str(body.get('model'))[:60]!r} here, only {EmbeddedModel.name!r}", status=404)
    messages = _field(body, "messages", list, [])
    if not all(isinstance(message, dict) for message in messages):
        raise BadRequest("messages must be objects with 'role' and 'content'", status=400)
    most = _field(body, "max_completion_tokens", int, None)
    request = Request(
        messages=messages,
        tools=_field(body, "tools", list, []),
        temperature=_field(body, "temperature", (int, float), None),
        max_tokens=most if most is not None else _field(body, "max_tokens", int, None),
        stop=_stops(body),
        seed=_field(body, "seed", int, None),
        n=_field(body, "n", int, 1),
        logprobs=_field(body, "top_logprobs", int, 0) if _field(body, "logprobs", bool, False) else None,
    )
    options = _field(body, "stream_options", dict, {})
    return Call(request, _field(body, "stream", bool, False), bool(options.get("include_usage")))


def _field(body: Mapping[str, Any], name: str, kind: type | tuple[type, ...], default: Any) -> Any:
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise BadRequest(f"{name} is a {type(value).__name__} ({str(value)[:40]!r}), which is not what it should be", status=400)
    return value


def _stops(body: Mapping[str, Any]) -> Sequence[str]:
    stop = body.get("stop")
    stops = [stop] if isinstance(stop, str) else stop or []
    if not isinstance(stops, list) or not all(isinstance(s, str) for s in stops):
        raise BadRequest("stop must be a string or a list of strings", status=400)
    return tuple(stops)


def error_body(message: str, status: int) -> dict[str, Any]:
    """An error in the protocol's form."""
    kind = "invalid_request_error" if 400 <= status < 500 else "server_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}


def completion(answer: Response, request: Request) -> dict[str, Any]:
    """A whole answer."""
    details = (answer.raw or {})["choices"]
    choices = [
        {
            "index": index,
            "message": {"role": "assistant", "content": text},
            "finish_reason": detail["finish_reason"],
            "logprobs": logprobs(detail["logprobs"]),
        }
        for index, (text, detail) in enumerate(zip(answer.texts, details, strict=True))
    ]
    return {
        "id": _identity(request),
        "object": "chat.completion",
        "created": int(time.time()),
        "model": EmbeddedModel.name,
        "choices": choices,
        "usage": usage(answer),
    }


def usage(answer: Response) -> dict[str, int]:
    """Token counts."""
    spent = answer.usage
    return {"prompt_tokens": spent.input_tokens, "completion_tokens": spent.output_tokens, "total_tokens": spent.tokens}


def logprobs(records: Sequence[Mapping[str, Any]] | None) -> dict[str, Any] | None:
    """Log-probabilities in the protocol's form; tokens are vocabulary entries."""
    if records is None:
        return None
    content = []
    for record in records:
        top = [_token(token, value) for token, value in record["top"].items()]
        content.append({**_token(record["token"], record["logprob"]), "top_logprobs": top})
    return {"content": content, "refusal": None}


def _token(token: str, value: float) -> dict[str, Any]:
    return {"token": token, "logprob": value, "bytes": list(token.encode())}


def chunk(request: Request, index: int, delta: Mapping[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    """One event of a stream."""
    choice = {"index": index, "delta": dict(delta), "finish_reason": finish, "logprobs": None, **more}
    return _event(request, [choice])


def stream_end(answer: Response, request: Request, with_usage: bool) -> Iterator[dict[str, Any] | str]:
    """The last events: finish reasons (with log-probabilities), usage when asked for, ``[DONE]``."""
    for index, detail in enumerate((answer.raw or {})["choices"]):
        yield chunk(request, index, {}, detail["finish_reason"], logprobs=logprobs(detail["logprobs"]))
    if with_usage:
        yield {**_event(request, []), "usage": usage(answer)}
    yield "[DONE]"


def _event(request: Request, choices: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": _identity(request),
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": EmbeddedModel.name,
        "choices": choices,
    }


def _identity(request: Request) -> str:
    return f"chatcmpl-{request.digest()[:24]}"
