"""Writing a request in the words of generateContent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paragrad.errors import BadRequest
from paragrad.llm.native import extra_body
from paragrad.llm.parts import Media, Part, arguments_of, declared, parts_of, text_of
from paragrad.llm.types import Request


def body_of(request: Request) -> dict[str, Any]:
    """The JSON body for ``:generateContent``; options that are not given are not sent.

    Extra options go into the body; those in ``generationConfig`` are joined with ours.

    Raises:
        BadRequest: a message cannot be said in this protocol.
    """
    system, contents = _split(request)
    body: dict[str, Any] = {"contents": contents}
    if system:
        body["systemInstruction"] = {"parts": [{"text": system}]}
    if request.tools:
        body["tools"] = _tools(request)
    extra = extra_body(request)
    config = {**_config(request), **dict(extra.pop("generationConfig", {}))}
    if config:
        body["generationConfig"] = config
    return body | extra


def _config(request: Request) -> dict[str, Any]:
    """How to generate."""
    wanted = {"temperature": request.temperature, "maxOutputTokens": request.max_tokens, "seed": request.seed}
    config: dict[str, Any] = {name: value for name, value in wanted.items() if value is not None}
    if request.stop:
        config["stopSequences"] = list(request.stop)
    if request.schema is not None and not request.tools:  # both together are refused
        config |= {"responseMimeType": "application/json", "responseJsonSchema": dict(request.schema)}
    if request.logprobs is not None:
        config |= {"responseLogprobs": True, "logprobs": request.logprobs}
    return config


def _split(request: Request) -> tuple[str, list[dict[str, Any]]]:
    """The system instruction, and the turns; neighbours of one role are one turn."""
    system: list[str] = []
    turns: list[dict[str, Any]] = []
    names: dict[str, str] = {}  # of called functions: their results must name them
    for message in request.messages:
        if message.get("role") in ("system", "developer"):
            system.append(text_of(message.get("content"), "the system message"))
            continue
        role, parts = _turn(message, names)
        if turns and turns[-1]["role"] == role:
            turns[-1]["parts"] += parts
        else:
            turns.append({"role": role, "parts": parts})
    if not turns:
        raise BadRequest("a request holds a system message alone; this server wants a user's message too")
    return "\n\n".join(part for part in system if part), turns


def _turn(message: Mapping[str, Any], names: dict[str, str]) -> tuple[str, list[dict[str, Any]]]:
    """Who speaks, and the parts."""
    role, content = message.get("role"), message.get("content")
    if role == "tool":
        id = str(message.get("tool_call_id", ""))
        name = str(message.get("name") or names.get(id) or "")
        if not name:
            raise BadRequest(f"a tool's answer to {id!r} follows no call of that id, so the function has no name; add name=")
        return "user", [{"functionResponse": {"name": name, "response": {"result": text_of(content, "a tool's answer")}}}]
    if role not in ("user", "assistant"):
        raise BadRequest(f"a message has the role {role!r}; write system, user, assistant or tool")
    parts = [_sent(part) for part in parts_of(content) if part != ""]
    if role == "assistant":
        parts += [_call(call, names) for call in message.get("tool_calls") or ()]
    return ("model" if role == "assistant" else "user"), parts or [{"text": ""}]


def _call(call: Mapping[str, Any], names: dict[str, str]) -> dict[str, Any]:
    name, arguments = arguments_of(call)
    names[str(call.get("id", ""))] = name
    return {"functionCall": {"name": name, "args": arguments}}


def _sent(part: Part) -> dict[str, Any]:
    if isinstance(part, str):
        return {"text": part}
    return _media(part)


def _media(media: Media) -> dict[str, Any]:
    if media.url:
        return {"fileData": {"fileUri": media.url, **({"mimeType": media.type} if media.type else {})}}
    return {"inlineData": {"mimeType": media.type, "data": media.data}}


def _tools(request: Request) -> list[dict[str, Any]]:
    """Function declarations in one tool; tools in the protocol's own words beside it."""
    plain = [declared(tool) for tool in request.tools]
    functions = [_function(tool) for tool in plain if tool is not None]
    others = [dict(tool) for tool, known in zip(request.tools, plain, strict=True) if known is None]
    return [*([{"functionDeclarations": functions}] if functions else []), *others]


def _function(tool: Mapping[str, Any]) -> dict[str, Any]:
    described = {"description": tool["description"]} if tool.get("description") else {}
    schema = {"parametersJsonSchema": tool["parameters"]} if tool.get("parameters") else {}
    return {"name": tool["name"], **described, **schema}
