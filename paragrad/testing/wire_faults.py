"""What a model server can do wrong, one function each, and the one right answer ``ok``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from paragrad.testing.wire import Connection, Fault

ANSWER = "four"
HTML = "<!doctype html><html><body>Bad gateway</body></html>"


def completion(content: Any = ANSWER, finish: Any = "stop", **message: Any) -> dict[str, Any]:
    """A chat completion body."""
    choice = {"index": 0, "message": {"role": "assistant", "content": content, **message}, "finish_reason": finish}
    usage = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
    return {"id": "c1", "object": "chat.completion", "created": 1, "model": "test", "choices": [choice], "usage": usage}


def chunk(content: str | None = None, finish: str | None = None) -> str:
    """One server-sent event of a streamed answer."""
    delta = {} if content is None else {"content": content}
    return "data: " + json.dumps({"id": "c1", "model": "test", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}) + "\n\n"


def error(message: str, **more: Any) -> dict[str, Any]:
    """An error body."""
    return {"error": {"message": message, **more}}


def _status(status: int, body: dict[str, Any] | str, **headers: str) -> Fault:
    return lambda connection: connection.reply(body, status, headers={name.replace("_", "-"): value for name, value in headers.items()})


def _body(body: dict[str, Any] | bytes | str, **headers: str) -> Fault:
    return lambda connection: connection.reply(body, headers={name.replace("_", "-"): value for name, value in headers.items()})


def ok(connection: Connection) -> None:
    """The right answer, streamed when a stream is asked for."""
    if connection.body.get("stream"):
        stream(connection, chunk("fo"), chunk("ur"), chunk(finish="stop"), "data: [DONE]\n\n")
    else:
        connection.reply(completion())


def stream(connection: Connection, *events: str) -> None:
    """Server-sent events, then the end of the connection."""
    connection.head(200, {"content-type": "text/event-stream", "connection": "close"})
    for event in events:
        connection.send(event.encode())


def reset_before(connection: Connection) -> None:
    connection.reset()


def reset_mid_body(connection: Connection) -> None:
    connection.head(200, {"content-type": "application/json", "content-length": "500"})
    connection.send(b'{"id": "c1", "choices": [{"message": {"content": "four"')
    connection.wait(0.05)
    connection.reset()


def cut_body(connection: Connection) -> None:
    """A polite end before the promised length."""
    connection.reply(json.dumps(completion())[:60].encode(), length=500)


def hang(connection: Connection) -> None:
    connection.wait(30)


def slow_headers(connection: Connection) -> None:
    """One header byte at a time: every read succeeds, the answer never comes."""
    for byte in b"HTTP/1.1 200 OK\r\nx-slow: " + b"a" * 2000:
        connection.send(bytes([byte]))
        if not connection.wait(0.05):
            return


def slow_body(connection: Connection) -> None:
    """A right answer that drips for minutes."""
    body = json.dumps(completion()).encode()
    connection.head(200, {"content-type": "application/json", "content-length": str(len(body))})
    for byte in body:
        connection.send(bytes([byte]))
        if not connection.wait(0.1):
            return


def huge_body(connection: Connection) -> None:
    connection.head(200, {"content-type": "application/json", "connection": "close"})
    connection.send(b'{"choices": "')
    for _ in range(64):
        connection.send(b"a" * (1 << 20))


def echo_key(connection: Connection) -> None:
    """An error body that repeats the caller's key."""
    connection.reply(error(f"Incorrect API key provided: {connection.headers.get('authorization')}"), 401)


def echo_key_in_answer(connection: Connection) -> None:
    """A success whose body repeats the caller's key."""
    connection.reply({**completion(), "debug": {"authorization": connection.headers.get("authorization")}})


def only_completion_tokens(connection: Connection) -> None:
    """A server that knows ``max_completion_tokens`` alone."""
    if "max_tokens" in connection.body:
        message = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
        connection.reply(error(message, param="max_tokens", code="unsupported_parameter"), 400)
    else:
        ok(connection)


def _stream(*events: str) -> Fault:
    return lambda connection: stream(connection, *events)


_TRUNCATED = json.dumps(completion())[:-20].encode()
_DUPLICATE = b'{"choices": [{"message": {"content": "four", "content": "five"}, "finish_reason": "stop"}]}'
_TOOL = {"id": "t1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1, "b"'}}

FAULTS: Mapping[str, Fault] = {
    "200 array": _body(b"[1, 2]"),
    "200 choices empty": _body({**completion(), "choices": []}),
    "200 choices null": _body({**completion(), "choices": None}),
    "200 choices of text": _body({**completion(), "choices": ["four"]}),
    "200 content null": _body(completion(None)),
    "200 content number": _body(completion(4)),
    "200 cut": cut_body,
    "200 cut, connection reset": reset_mid_body,
    "200 duplicate keys": _body(_DUPLICATE),
    "200 empty": _body(b""),
    "200 error object": _body(error("the model is overloaded", code=503)),
    "200 error text": _body({"error": "something went wrong"}),
    "200 finish null": _body(completion("fou", None)),
    "200 html": _body(HTML),
    "200 huge": huge_body,
    "200 invalid utf-8": _body(json.dumps(completion()).encode().replace(b"four", b"\xff\xfe\xfa")),
    "200 lone surrogate": _body(json.dumps(completion()).encode().replace(b"four", rb"\ud800")),
    "200 message null": _body({**completion(), "choices": [{"message": None, "finish_reason": "stop"}]}),
    "200 nan": _body(json.dumps({**completion(), "score": float("nan")}).encode()),
    "200 not gzip": _body(json.dumps(completion()).encode(), content_encoding="gzip"),
    "200 tool arguments cut": _body(completion(None, "tool_calls", tool_calls=[_TOOL])),
    "200 tool without a name": _body(completion(None, "tool_calls", tool_calls=[{"id": "t1"}])),
    "200 truncated JSON": _body(_TRUNCATED),
    "302 elsewhere": _status(302, "", location="http://127.0.0.1:9/v1/chat/completions"),
    "307 elsewhere": _status(307, "", location="http://127.0.0.1:9/v1/chat/completions"),
    "400 context length": _status(400, error("maximum context length is 8192 tokens", code="context_length_exceeded")),
    "400 only max_completion_tokens": only_completion_tokens,
    "401": _status(401, error("Incorrect API key provided")),
    "401 echoes the key": echo_key,
    "402": _status(402, error("payment required")),
    "403": _status(403, error("not allowed in your country")),
    "404 model": _status(404, error("The model 'test' does not exist", code="model_not_found")),
    "408": _status(408, ""),
    "413": _status(413, error("request too large")),
    "422": _status(422, error("messages: field required")),
    "429": _status(429, error("slow down", code="rate_limit_exceeded")),
    "429 retry later": _status(429, error("slow down"), retry_after="300"),
    "429 retry now": _status(429, error("slow down"), retry_after_ms="20"),
    "429 retry on a date": _status(429, error("slow down"), retry_after="Wed, 21 Oct 2099 07:28:00 GMT"),
    "429 without money": _status(429, error("You exceeded your current quota", code="insufficient_quota")),
    "500": _status(500, error("internal error")),
    "502 empty": _status(502, ""),
    "503 html": _status(503, HTML),
    "529": _status(529, error("overloaded")),
    "hang": hang,
    "ok": ok,
    "ok content parts": _body(completion([{"type": "text", "text": "fo"}, {"type": "text", "text": "ur"}])),
    "ok echoes the key": echo_key_in_answer,
    "ok other finish": _body(completion(finish="eos_token")),
    "ok without usage": _body({name: value for name, value in completion().items() if name != "usage"}),
    "ok wrong content type": _body(json.dumps(completion()).encode(), content_type="text/plain"),
    "reset": reset_before,
    "slow body": slow_body,
    "slow headers": slow_headers,
    "stream cut": _stream(chunk("fo")),
    "stream ends early": _stream(chunk("fo"), "data: [DONE]\n\n"),
    "stream error event": _stream(chunk("fo"), 'event: error\ndata: {"message": "overloaded"}\n\n'),
    "stream error object": _stream(chunk("fo"), 'data: {"error": {"message": "overloaded"}}\n\n'),
    "stream half an event": _stream(chunk("fo"), 'data: {"choices": [{"del'),
    "stream is JSON": _body(completion()),
    "stream of html": _body(HTML),
}  # fmt: skip
