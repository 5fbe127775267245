"""Parts of messages in the words of the OpenAI protocol, read for backends that use other words."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paragrad.errors import BadRequest
from paragrad.llm.secrets import shorten


@dataclass(frozen=True, slots=True)
class Media:
    """An image, sound or file: its data in base64, or the address it lies at."""

    kind: str  # "image", "audio" or "file"
    type: str  # its media type, "" when it is not known
    data: str = ""
    url: str = ""


Part = str | Media


def parts_of(content: Any) -> list[Part]:
    """The parts of a message's content.

    Raises:
        BadRequest: a part of an unknown type.
    """
    if content is None:
        return []
    if isinstance(content, str):
        return [content]
    if not isinstance(content, Sequence):
        raise BadRequest(f"a message's content is {shorten(repr(content), 60)}; write a text or a list of parts")
    return [_part(part) for part in content]


def text_of(content: Any, what: str) -> str:
    """Content that must be text alone.

    Raises:
        BadRequest: it holds something else.
    """
    parts = parts_of(content)
    if not all(isinstance(part, str) for part in parts):
        raise BadRequest(f"{what} holds an image, sound or file; it takes text only")
    return "".join(str(part) for part in parts)


def _part(part: Any) -> Part:
    if isinstance(part, str):
        return part
    kind = part.get("type") if isinstance(part, Mapping) else None
    if kind == "text" and isinstance(part.get("text"), str):
        return str(part["text"])
    inner = part.get(kind) if isinstance(kind, str) else None
    if kind == "image_url":
        return _linked("image", inner.get("url") if isinstance(inner, Mapping) else inner)
    if kind == "input_audio" and isinstance(inner, Mapping):
        return Media("audio", f"audio/{inner.get('format', 'wav')}", data=str(inner.get("data", "")))
    if kind == "file" and isinstance(inner, Mapping) and inner.get("file_data"):
        return _linked("file", inner["file_data"])
    raise BadRequest(
        f"a message holds a part that cannot be sent here: {shorten(repr(part), 80)}; text, image_url, input_audio and file can"
    )


def _linked(kind: str, url: Any) -> Media:
    """Media behind an address; a ``data:`` address holds it itself."""
    if not isinstance(url, str) or not url:
        raise BadRequest(f"an {kind} part has no address: {shorten(repr(url), 60)}")
    if not url.startswith("data:"):
        return Media(kind, "", url=url)
    head, comma, data = url.removeprefix("data:").partition(",")
    type, _, coding = head.partition(";")
    if not comma or coding.rpartition(";")[2] != "base64":
        raise BadRequest(f"a data: address must be base64: {shorten(url, 40)!r}; write data:TYPE;base64,DATA")
    return Media(kind, type, data=data)


def arguments_of(call: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Name and arguments of a tool call in an assistant's message.

    Raises:
        BadRequest: it names no function, or its arguments are no JSON object.
    """
    function = call.get("function")
    name = function.get("name") if isinstance(function, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(name, str):
        raise BadRequest(f"a tool call names no function: {shorten(repr(call), 80)}")
    given = function.get("arguments") or {}
    try:
        arguments = json.loads(given) if isinstance(given, str) else given
    except ValueError:
        arguments = None
    if not isinstance(arguments, Mapping):
        raise BadRequest(f"the arguments of the tool call {name!r} are no JSON object: {shorten(repr(given), 60)}")
    return name, dict(arguments)


def declared(tool: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Name, description and parameters of a tool declaration; None for one in a provider's own words."""
    if isinstance(tool.get("function"), Mapping):
        return dict(tool["function"])
    return tool if "name" in tool and "type" not in tool and "input_schema" not in tool else None
