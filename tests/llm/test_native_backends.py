"""The Messages API and generateContent, against loopback stubs that answer in the documented shapes (simulated servers)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from paragrad.errors import AuthenticationFailed, BadRequest, BadResponse, ModelError, NotConnected, RateLimited, ServerFailed
from paragrad.llm import Request, Response, connect, stack
from paragrad.llm.anthropic import Anthropic
from paragrad.llm.google import Google
from paragrad.testing.models import check_model
from paragrad.testing.wire import Connection, FaultServer, refused_url

PIXEL = "data:image/png;base64,iVBORw0KGgo="
TOOL = {"name": "look", "description": "Look it up.", "parameters": {"type": "object", "properties": {"word": {"type": "string"}}}}
TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": PIXEL}}]},
    {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "function": {"name": "look", "arguments": '{"word": "red"}'}}]},
    {"role": "tool", "tool_call_id": "c1", "content": "a colour"},
    {"role": "user", "content": "Well?"},
]


def message(*content: dict[str, Any], reason: str = "end_turn", **usage: int) -> dict[str, Any]:
    """A message as the Messages API answers."""
    counts = {"input_tokens": 7, "output_tokens": 2, **usage}
    return {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-test", "content": list(content),
        "stop_reason": reason, "stop_sequence": None, "usage": counts,
    }  # fmt: skip


def content(*parts: dict[str, Any], reason: str | None = "STOP", **usage: int) -> dict[str, Any]:
    """An answer as generateContent gives it."""
    counts = {"promptTokenCount": 7, "candidatesTokenCount": 2, **usage}
    candidate = {"content": {"role": "model", "parts": list(parts)}, "index": 0, **({"finishReason": reason} if reason else {})}
    return {"candidates": [candidate], "usageMetadata": counts, "modelVersion": "gemini-test"}


def sse(connection: Connection, *events: dict[str, Any], named: bool = False) -> None:
    """Server-sent events, then the end."""
    connection.head(200, {"content-type": "text/event-stream", "connection": "close"})
    for event in events:
        head = f"event: {event['type']}\n" if named else ""
        connection.send(f"{head}data: {json.dumps(event)}\n\n".encode())


def replying(body: Any, status: int = 200, **headers: str) -> Callable[[Connection], None]:
    """One answer."""
    shown = body if isinstance(body, dict) else json.dumps(body)
    return lambda connection: connection.reply(shown, status, headers={k.replace("_", "-"): v for k, v in headers.items()})


def ask(wire: Any, request: Request | str = "?") -> Response | ModelError:
    """One answer of a bare wire, which is closed."""
    asked = Request([{"role": "user", "content": request}]) if isinstance(request, str) else request
    (answer,) = wire.complete([asked])
    wire.close()
    return answer


def answered(make: Any, body: Any, request: Request | str = "?") -> tuple[Response, tuple[str, dict[str, str], Any]]:
    """The answer to one request, and what the server saw."""
    with FaultServer(replying(body)) as server:
        answer = ask(make("test", server.url, api_key="secret-0123456789"), request)
    assert isinstance(answer, Response), answer
    return answer, server.requests[0]


FULL = Request(TALK, tools=[TOOL], temperature=0.5, max_tokens=9, stop=["END"], seed=3, schema={"type": "object"}, extra={"top_k": 5})


# --- Anthropic -------------------------------------------------------------------------------------
def test_a_request_in_the_words_of_the_messages_api() -> None:
    _, (path, headers, body) = answered(Anthropic, message({"type": "text", "text": "red"}), FULL)
    assert path == "/v1/messages"
    assert (headers["x-api-key"], headers["anthropic-version"], headers["content-type"]) == (
        "secret-0123456789",
        "2023-06-01",
        "application/json",
    )
    assert body == {
        "model": "test", "max_tokens": 9, "temperature": 0.5, "stop_sequences": ["END"], "system": "Be brief.", "top_k": 5,
        "tools": [{"name": "look", "description": "Look it up.", "input_schema": TOOL["parameters"]}],
        "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
            ]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "look", "input": {"word": "red"}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "a colour"}]},
                {"type": "text", "text": "Well?"},
            ]},
        ],
    }  # fmt: skip


def test_an_answer_of_the_messages_api() -> None:
    blocks = (
        {"type": "thinking", "thinking": "hm"},
        {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": "t1", "name": "look", "input": {"word": "x"}},
    )
    answer, (_, _, body) = answered(Anthropic, message(*blocks, reason="tool_use", cache_read_input_tokens=10), "?")
    assert (answer.text, answer.finish, answer.model) == ("I look.", "tool_calls", "claude-test")
    assert [(call.id, call.name, dict(call.arguments)) for call in answer.tool_calls] == [("t1", "look", {"word": "x"})]
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (17, 2)
    assert body["max_tokens"] == 4096, "the protocol demands a limit"
    assert "secret" not in json.dumps(answer.to_json())


@pytest.mark.parametrize(
    ("reason", "finish"), [("end_turn", "stop"), ("max_tokens", "length"), ("stop_sequence", "stop"), ("refusal", "refusal")]
)
def test_stop_reasons(reason: str, finish: str) -> None:
    assert answered(Anthropic, message({"type": "text", "text": "x"}, reason=reason))[0].finish == finish


def test_a_stream_of_the_messages_api_gives_the_same_answer() -> None:
    events = [
        {"type": "message_start", "message": {**message(), "stop_reason": None, "usage": {"input_tokens": 7, "output_tokens": 1}}},
        {"type": "ping"},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "re"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "d"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "t1", "name": "look", "input": {}}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"wo'}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": 'rd": "x"}'}},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 5}},
        {"type": "message_stop"},
    ]
    with FaultServer(lambda c: sse(c, *events, named=True)) as server:
        model = connect("anthropic:test", base_url=server.url, cache=False)
        stream = model.stream("?")
        assert list(stream) == ["re", "d"]
        model.close()
    answer = stream.response
    assert (answer.text, answer.finish, answer.usage.input_tokens, answer.usage.output_tokens) == ("red", "tool_calls", 7, 5)
    assert dict(answer.tool_calls[0].arguments) == {"word": "x"}
    assert server.requests[0][2]["stream"] is True


def test_a_cut_stream_and_an_error_in_one_are_failures() -> None:
    start = {"type": "message_start", "message": {**message(), "stop_reason": None}}
    late = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    for script in ([start], [start, late]):
        with FaultServer(lambda c, events=script: sse(c, *events)) as server:
            model = connect("anthropic:test", base_url=server.url, cache=False, retries=0)
            with pytest.raises(ServerFailed):
                list(model.stream("?"))
            model.close()


# --- Google ----------------------------------------------------------------------------------------
def test_a_request_in_the_words_of_generate_content() -> None:
    _, (path, headers, body) = answered(Google, content({"text": "red"}), FULL)
    assert path == "/v1/models/test:generateContent"
    assert headers["x-goog-api-key"] == "secret-0123456789"
    assert "secret" not in path
    assert body == {
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "generationConfig": {"temperature": 0.5, "maxOutputTokens": 9, "seed": 3, "stopSequences": ["END"]},
        "tools": [{"functionDeclarations": [{"name": "look", "description": "Look it up.", "parametersJsonSchema": TOOL["parameters"]}]}],
        "contents": [
            {"role": "user", "parts": [{"text": "What is this?"}, {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}]},
            {"role": "model", "parts": [{"functionCall": {"name": "look", "args": {"word": "red"}}}]},
            {"role": "user", "parts": [{"functionResponse": {"name": "look", "response": {"result": "a colour"}}}, {"text": "Well?"}]},
        ],
        "top_k": 5,
    }  # fmt: skip


def test_a_schema_and_own_generation_options_of_generate_content() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    extra = {"generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}}
    _, (_, _, body) = answered(
        Google, content({"text": "{}"}), Request([{"role": "user", "content": "?"}], schema=schema, logprobs=2, extra=extra)
    )
    assert body["generationConfig"] == {
        "responseMimeType": "application/json", "responseJsonSchema": schema, "responseLogprobs": True, "logprobs": 2,
        "thinkingConfig": {"thinkingBudget": 0},
    }  # fmt: skip


def test_an_answer_of_generate_content() -> None:
    parts = ({"text": "hm", "thought": True}, {"text": "I look."}, {"functionCall": {"name": "look", "args": {"word": "x"}}})
    answer, _ = answered(Google, content(*parts, thoughtsTokenCount=4))
    assert (answer.text, answer.finish, answer.model) == ("I look.", "tool_calls", "gemini-test")
    assert [(call.name, dict(call.arguments)) for call in answer.tool_calls] == [("look", {"word": "x"})]
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (7, 6)


def test_a_stream_of_generate_content_gives_the_same_answer() -> None:
    pieces = [content({"text": "re"}, reason=None), content({"text": "d"}, candidatesTokenCount=5)]
    with FaultServer(lambda c: sse(c, *pieces)) as server:
        model = connect("google:test", base_url=server.url, cache=False)
        stream = model.stream("?")
        assert list(stream) == ["re", "d"]
        model.close()
    assert (stream.response.text, stream.response.finish, stream.response.usage.output_tokens) == ("red", "stop", 5)
    assert server.requests[0][0] == "/v1/models/test:streamGenerateContent?alt=sse"


def test_what_a_filter_withheld_is_a_refusal_and_what_is_broken_is_asked_again() -> None:
    blocked = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 3}}
    for body, error in [
        (blocked, BadRequest),
        (content({"text": "x"}, reason="SAFETY"), BadRequest),
        (content(reason="MALFORMED_FUNCTION_CALL"), BadResponse),
        (content({"text": "x"}, reason=None), BadResponse),
        ({"candidates": []}, BadResponse),
        ([], BadResponse),
    ]:
        with FaultServer(replying(body)) as server:
            assert isinstance(ask(Google("test", server.url)), error), body


# --- both ------------------------------------------------------------------------------------------
def anthropic_error(kind: str, text: str = "no") -> dict[str, Any]:
    """An error body of the Messages API."""
    return {"type": "error", "error": {"type": kind, "message": text}}


def google_error(code: int, status: str, *details: dict[str, Any]) -> dict[str, Any]:
    """An error body of the Gemini API."""
    return {"error": {"code": code, "message": "no", "status": status, "details": list(details)}}


WRONG_KEY = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"}
FAILURES = [
    (Anthropic, 400, anthropic_error("invalid_request_error"), BadRequest, False),
    (Anthropic, 401, anthropic_error("authentication_error"), AuthenticationFailed, False),
    (Anthropic, 403, anthropic_error("permission_error"), AuthenticationFailed, False),
    (Anthropic, 404, anthropic_error("not_found_error"), NotConnected, False),
    (Anthropic, 413, anthropic_error("request_too_large"), BadRequest, False),
    (Anthropic, 429, anthropic_error("rate_limit_error"), RateLimited, True),
    (Anthropic, 500, anthropic_error("api_error"), ServerFailed, True),
    (Anthropic, 529, anthropic_error("overloaded_error"), ServerFailed, True),
    (Google, 400, google_error(400, "INVALID_ARGUMENT"), BadRequest, False),
    (Google, 400, google_error(400, "INVALID_ARGUMENT", WRONG_KEY), AuthenticationFailed, False),
    (Google, 403, google_error(403, "PERMISSION_DENIED"), AuthenticationFailed, False),
    (Google, 404, google_error(404, "NOT_FOUND"), NotConnected, False),
    (Google, 429, google_error(429, "RESOURCE_EXHAUSTED", RETRY), RateLimited, True),
    (Google, 500, google_error(500, "INTERNAL"), ServerFailed, True),
    (Google, 503, [google_error(503, "UNAVAILABLE")], ServerFailed, True),
]


@pytest.mark.parametrize(("make", "status", "body", "error", "retryable"), FAILURES)
def test_a_failure_is_of_the_right_class_and_shows_no_key(make: Any, status: int, body: Any, error: Any, retryable: bool) -> None:
    with FaultServer(replying(body, status)) as server:
        answer = ask(make("test", server.url, api_key="secret-0123456789"))
    assert type(answer) is error, answer
    assert (answer.status, answer.retryable) == (status, retryable)
    assert "secret" not in str(answer)
    assert "chat/completions" not in str(answer)


def test_the_time_to_wait_is_read_from_header_and_body() -> None:
    for make, body, headers in [
        (Anthropic, anthropic_error("rate_limit_error"), {"retry_after": "34"}),
        (Google, google_error(429, "X", RETRY), {}),
    ]:
        with FaultServer(replying(body, 429, **headers)) as server:
            answer = ask(make("test", server.url))
        assert isinstance(answer, RateLimited)
        assert answer.retry_after == 34.0


@pytest.mark.parametrize(("make", "body"), [(Anthropic, message({"type": "text", "text": "one"})), (Google, content({"text": "one"}))])
def test_the_kit_accepts_them(make: Any, body: Any) -> None:
    made: list[Any] = []
    with FaultServer(replying(body)) as server:
        check_model(lambda: made.append(make("test", server.url)) or made[-1])
        for wire in made:
            wire.close()


@pytest.mark.parametrize("fault", ["200 HTML", "reset", "200 cut"])
@pytest.mark.parametrize("make", [Anthropic, Google])
def test_a_server_that_speaks_nonsense_is_a_model_error(make: Any, fault: str) -> None:
    def html(c: Connection) -> None:
        c.reply("<!doctype html><html>Bad gateway</html>")

    def cut(c: Connection) -> None:
        c.reply('{"content": [', length=500)

    script: Any = {"200 HTML": html, "reset": lambda c: c.reset(), "200 cut": cut}[fault]
    with FaultServer(script) as server:
        answer = ask(make("test", server.url, deadline=5.0))
    assert isinstance(answer, (BadResponse, ServerFailed)), answer


def test_a_server_that_is_not_there_is_not_connected() -> None:
    assert isinstance(ask(Anthropic("test", refused_url())), NotConnected)
    assert isinstance(ask(Google("test", refused_url())), NotConnected)


def test_a_retried_answer_is_counted_through_the_stack() -> None:
    with FaultServer(replying(anthropic_error("overloaded_error"), 529), replying(message({"type": "text", "text": "x"}))) as server:
        model = stack(Anthropic("test", server.url), backoff=0.001, cache=False)
        assert model("?") == "x"
        model.close()
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("make", "messages", "says"),
    [
        (Anthropic, [{"role": "system", "content": "x"}], "system message alone"),
        (Google, [{"role": "system", "content": "x"}], "system message alone"),
        (Anthropic, [{"role": "robot", "content": "x"}], "role 'robot'"),
        (Google, [{"role": "tool", "tool_call_id": "c9", "content": "x"}], "follows no call"),
        (Anthropic, [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AA=="}}]}], "no sound"),
        (Google, [{"role": "user", "content": [{"type": "video"}]}], "cannot be sent"),
        (Google, [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png,xyz"}}]}], "base64"),
        (Anthropic, [{"role": "user", "content": float("nan")}], "content is nan"),
    ],
)
def test_what_cannot_be_said_is_refused_before_it_is_sent(make: Any, messages: Any, says: str) -> None:
    answer = ask(make("test", refused_url()), Request(messages))  # had it been sent, it would be NotConnected
    assert isinstance(answer, BadRequest)
    assert says in str(answer)


def test_names_lead_to_the_native_protocols(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    monkeypatch.setenv("GEMINI_API_KEY", "k")
    assert isinstance(connect("anthropic:claude-haiku-4-5").wire, Anthropic)
    assert isinstance(connect("google:gemini-2.5-flash").wire, Google)
    assert connect("google:gemini-2.5-flash").wire.base_url == "https://generativelanguage.googleapis.com/v1beta/"
