"""Reading a chat completion: everything the server sent is checked before it counts as an answer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from paragrad.errors import BadRequest, BadResponse
from paragrad.llm.openai_errors import from_error_object
from paragrad.llm.secrets import shorten
from paragrad.llm.types import Request, Response, ToolCall, Usage


def parse_json(data: bytes, where: str) -> Any:
    """Strict JSON: UTF-8, no duplicate keys, no NaN, no lone surrogates.

    Raises:
        BadResponse: it is not that.
    """
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeError:
        raise BadResponse(f"{where} sent text that is not valid Unicode") from None
    except (ValueError, RecursionError) as error:
        start = shorten(data[:2000].decode("utf-8", "replace"), 80)
        kind = "an HTML page" if start.lower().startswith(("<!doctype", "<html")) else "no valid JSON"
        reason = "" if kind == "an HTML page" else f" ({shorten(str(error), 80)})"
        raise BadResponse(f"{where} sent {kind}{reason}: {start!r}; a proxy's page, a cut answer, or a wrong base_url") from None
    return value


def read_completion(body: Any, request: Request, where: str) -> Response:
    """The answer in a parsed body.

    Raises:
        BadResponse: the body is no complete answer; asked again, it may be.
        ModelError: the body is an error report.
    """
    if not isinstance(body, dict):
        raise BadResponse(f"{where} sent {shorten(repr(body), 60)} where a chat completion was expected")
    if body.get("error"):
        raise from_error_object(body["error"], where)
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices:
        raise BadResponse(f"{where} sent no choices: {shorten(repr(body.get('choices')), 60)}")
    if len(choices) < request.n:
        raise BadResponse(f"{where} sent {len(choices)} of {request.n} choices; ask with n=1 several times")
    read = [_choice(choice, request, where) for choice in choices[: request.n]]
    text, calls, finish = read[0]
    return Response(
        text=text,
        tool_calls=calls,
        logprobs=_logprobs(choices[0].get("logprobs")) if request.logprobs is not None else None,
        usage=_usage(body.get("usage")),
        finish=finish,
        raw=body,
        texts=tuple(one[0] for one in read),
        model=body["model"] if isinstance(body.get("model"), str) else "",
    )


def _choice(choice: Any, request: Request, where: str) -> tuple[str, tuple[ToolCall, ...], str]:
    """Text, tool calls and finish reason of one choice."""
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict):
        raise BadResponse(f"{where} sent a choice without a message: {shorten(repr(choice), 80)}")
    finish = choice.get("finish_reason")
    if not isinstance(finish, str) or not finish:
        raise BadResponse(f"{where} sent an answer without finish_reason: it may be cut off")
    calls = _tool_calls(message.get("tool_calls"), where)
    text = _text(message.get("content"), where)
    if text is None:
        if finish == "content_filter":
            raise BadRequest(f"{where} withheld the answer: its content filter refused")
        refusal = message.get("refusal")
        if isinstance(refusal, str) and refusal:
            return refusal, calls, "refusal"
        if not calls and finish != "length":
            raise BadResponse(f"{where} sent an answer without content (finish_reason {shorten(finish, 30)!r})")
        text = ""
    text, finish = cut_at_stop(text, request.stop, finish)
    return text, calls, finish


def cut_at_stop(text: str, stops: Sequence[str], finish: str) -> tuple[str, str]:
    """The text before the first stop sequence: some servers ignore ``stop``."""
    found = [position for stop in stops if stop and (position := text.find(stop)) >= 0]
    return (text[: min(found)], "stop") if found else (text, finish)


def _text(content: Any, where: str) -> str | None:
    """The content as text; a list of text parts is joined."""
    if content is None or isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else [content]
    texts = [part["text"] for part in parts if isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)]
    if len(texts) != len(parts):
        raise BadResponse(f"{where} sent content that is no text: {shorten(repr(content), 80)}")
    return "".join(texts)


def _tool_calls(calls: Any, where: str) -> tuple[ToolCall, ...]:
    """Tool calls with parsed arguments."""
    if calls is None:
        return ()
    if not isinstance(calls, list):
        raise BadResponse(f"{where} sent tool_calls that are no list: {shorten(repr(calls), 80)}")
    return tuple(_tool_call(call, position, where) for position, call in enumerate(calls))


def _tool_call(call: Any, position: int, where: str) -> ToolCall:
    function = call.get("function") if isinstance(call, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(function, dict) or not isinstance(name, str) or not name:
        raise BadResponse(f"{where} sent a tool call without a function name: {shorten(repr(call), 80)}")
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        arguments = parse_json(arguments.encode("utf-8", "surrogatepass"), where) if arguments.strip() else {}
    if not isinstance(arguments, dict):
        raise BadResponse(f"{where} sent arguments for {shorten(name, 40)} that are no JSON object: {shorten(repr(arguments), 80)}")
    id = call.get("id")
    return ToolCall(id if isinstance(id, str) and id else f"call_{position}", name, arguments)


def _logprobs(value: Any) -> list[Mapping[str, Any]] | None:
    """Per token ``{"token", "logprob", "top"}``; None when the server sent none, or none that can be read."""
    rows = value.get("content") if isinstance(value, dict) else None
    if not isinstance(rows, list):
        return None
    read: list[Mapping[str, Any]] = []
    for row in rows:
        if not isinstance(row, dict) or not isinstance(row.get("token"), str) or not isinstance(row.get("logprob"), (int, float)):
            return None
        tops = [top for top in row.get("top_logprobs") or () if isinstance(top, dict)]
        read.append(
            {"token": row["token"], "logprob": float(row["logprob"]), "top": {str(top.get("token")): top.get("logprob") for top in tops}}
        )
    return read


def _usage(value: Any) -> Usage:
    """Tokens as the server counts them; zeros (read as "not reported" by the ledger) when it does not say."""
    if not isinstance(value, dict):
        return Usage()
    counts = [value.get("prompt_tokens"), value.get("completion_tokens")]
    if not all(isinstance(count, int) and not isinstance(count, bool) and count >= 0 for count in counts):
        return Usage()
    return Usage(int(counts[0] or 0), int(counts[1] or 0))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A dict from pairs; which of two values for one key was meant is not guessed."""
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        double = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {double!r} is given twice")
    return result


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")
