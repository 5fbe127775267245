"""Writing a request in the words of the Messages API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from paragrad.errors import BadRequest
from paragrad.llm.native import extra_body
from paragrad.llm.parts import Media, Part, arguments_of, declared, parts_of, text_of
from paragrad.llm.types import Request

MOST_TOKENS = 4096  # of an answer; the protocol demands a limit, and every model allows this one


def body_of(request: Request, model: str, *, stream: bool) -> dict[str, Any]:
    """The JSON body for ``/messages``; options that are not given are not sent.

    Raises:
        BadRequest: a message cannot be said in this protocol.
    """
    system, messages = _split(request)
    body: dict[str, Any] = {"model": model, "max_tokens": request.max_tokens or MOST_TOKENS, "messages": messages}
    if system:
        body["system"] = system
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.stop:
        body["stop_sequences"] = list(request.stop)
    if stream:
        body["stream"] = True
    return body | extra_body(request)


def _split(request: Request) -> tuple[str, list[dict[str, Any]]]:
    """The system prompt, and the turns; neighbours of one role are one turn."""
    system: list[str] = []
    turns: list[dict[str, Any]] = []
    for message in request.messages:
        role = message.get("role")
        if role in ("system", "developer"):
            system.append(text_of(message.get("content"), "the system message"))
            continue
        speaker, blocks = _turn(message)
        if turns and turns[-1]["role"] == speaker:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": speaker, "content": blocks})
    if not turns:
        raise BadRequest("a request holds a system message alone; this server wants a user's message too")
    return "\n\n".join(part for part in system if part), [_short(turn) for turn in turns]


def _short(turn: dict[str, Any]) -> dict[str, Any]:
    """A turn of one text as a plain string."""
    blocks = turn["content"]
    return {**turn, "content": blocks[0]["text"]} if len(blocks) == 1 and blocks[0]["type"] == "text" else turn


def _turn(message: Mapping[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    """Who speaks, and the content blocks."""
    role, content = message.get("role"), message.get("content")
    if role == "tool":
        shown = [_block(part) for part in parts_of(content)]
        return "user", [{"type": "tool_result", "tool_use_id": str(message.get("tool_call_id", "")), "content": shown}]
    if role not in ("user", "assistant"):
        raise BadRequest(f"a message has the role {role!r}; write system, user, assistant or tool")
    blocks = [_block(part) for part in parts_of(content) if part != ""]
    if role == "assistant":
        blocks += [_tool_use(call, k) for k, call in enumerate(message.get("tool_calls") or ())]
    return role, blocks or [{"type": "text", "text": ""}]


def _tool_use(call: Mapping[str, Any], position: int) -> dict[str, Any]:
    name, arguments = arguments_of(call)
    return {"type": "tool_use", "id": str(call.get("id") or f"call_{position}"), "name": name, "input": arguments}


def _block(part: Part) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if part.kind == "audio":
        raise BadRequest("this server takes no sound; send its transcript")
    kind = "image" if part.kind == "image" else "document"
    return {"type": kind, "source": _source(part)}


def _source(media: Media) -> dict[str, Any]:
    if media.url:
        return {"type": "url", "url": media.url}
    return {"type": "base64", "media_type": media.type, "data": media.data}


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    """A tool declaration; those in the protocol's own words pass."""
    plain = declared(tool)
    if plain is None:
        return dict(tool)
    schema = plain.get("parameters") or {"type": "object", "properties": {}}
    described = {"description": plain["description"]} if plain.get("description") else {}
    return {"name": plain["name"], **described, "input_schema": json.loads(json.dumps(schema, default=str))}
