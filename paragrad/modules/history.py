"""Messages: a chat history as an input, spliced into the conversation before the last user message."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Self, overload

from paragrad.modules.media import Media

ROLES = ("user", "assistant", "system", "developer", "tool")


class Messages(Sequence[Mapping[str, Any]]):
    """Earlier turns of a chat, oldest first; frozen, equal when their contents are.

    Args:
        messages: ``{"role": ..., "content": ...}`` mappings (tool calls and names are kept), or (role, content)
            pairs. Content is a text, a list of texts, media and content parts, or None beside tool calls.

    Raises:
        TypeError, ValueError: a message of another form, named by its place.
    """

    __slots__ = ("_messages",)

    _messages: tuple[dict[str, Any], ...]

    def __init__(self, messages: Iterable[Any] = ()) -> None:
        if isinstance(messages, (str, bytes, Mapping)):
            raise TypeError(
                f"Messages is made of a list of messages, not of a {type(messages).__name__}; write [{{'role': 'user', 'content': ...}}]"
            )
        object.__setattr__(self, "_messages", tuple(_message(given, place) for place, given in enumerate(messages)))

    @classmethod
    def of(cls, value: Any) -> Self:
        """A history from a list of messages, or one that is one already."""
        return value if isinstance(value, cls) else cls(value)

    @classmethod
    def read(cls, value: Any, folder: Any = None) -> Self:
        """A history from a cell of a data set: a list, or the JSON text of one."""
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError) as error:
                raise ValueError(f"{value[:60]!r} is no JSON list of messages ({error})") from error
        return cls.of(value)

    def to_chat(self) -> list[dict[str, Any]]:
        """The messages as a request holds them: fresh, media as content parts."""
        return [{**message, "content": _sent(message["content"])} for message in self._messages]

    def content_key(self) -> list[Any]:
        """What tells two histories apart."""
        return [{**message, "content": _known(message["content"])} for message in self._messages]

    def __len__(self) -> int:
        return len(self._messages)

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> Messages: ...
    def __getitem__(self, index: int | slice) -> dict[str, Any] | Messages:
        if isinstance(index, slice):
            return Messages(self._messages[index])
        return dict(self._messages[index])

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (dict(message) for message in self._messages)

    def __add__(self, other: Iterable[Any]) -> Messages:
        """A longer history."""
        return Messages([*self._messages, *other])

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("Messages is frozen; a longer one is messages + [message]")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Messages) and self.content_key() == other.content_key()

    def __hash__(self) -> int:
        return hash(json.dumps(self.content_key(), sort_keys=True, default=str))

    def __reduce__(self) -> Any:
        return Messages, (list(self._messages),)

    def __str__(self) -> str:
        """One line per turn, as people write chats down."""
        return "\n".join(f"{message['role']}: {_shown(message)}" for message in self._messages)

    def __repr__(self) -> str:
        last = f", last {self._messages[-1]['role']}" if self._messages else ""
        return f"Messages({len(self)} turns{last})"


def _message(given: Any, place: int) -> dict[str, Any]:
    """One message, checked and copied."""
    if isinstance(given, (tuple, list)) and len(given) == 2:
        given = {"role": given[0], "content": given[1]}
    if not isinstance(given, Mapping):
        raise TypeError(f"message {place} is {_short(given)} of type {type(given).__name__}; write {{'role': 'user', 'content': ...}}")
    role = given.get("role")
    if role not in ROLES:
        raise ValueError(f"message {place} has the role {_short(role)}; it is one of {', '.join(ROLES)}")
    content = given.get("content")
    if content is None and not given.get("tool_calls"):
        raise ValueError(f"message {place} of {role} has no content; write a text, or a list of texts and media")
    rest = {str(name): value for name, value in given.items() if name not in ("role", "content")}
    try:
        rest = json.loads(json.dumps(rest))
    except (TypeError, ValueError) as error:
        raise TypeError(f"message {place} holds a value that is not JSON-like: {error}") from error
    return {"role": role, "content": _content(content, place), **rest}


def _content(content: Any, place: int) -> Any:
    if content is None or isinstance(content, str):
        return content
    parts = [content] if isinstance(content, Media) else content
    if not isinstance(parts, (list, tuple)):
        raise TypeError(
            f"message {place} has the content {_short(content)} of type {type(content).__name__}; a text or a list of parts is wanted"
        )
    return tuple(_part(part, place) for part in parts)


def _part(part: Any, place: int) -> Any:
    if isinstance(part, (str, Media)):
        return part
    if isinstance(part, Mapping) and isinstance(part.get("type"), str):
        return json.loads(json.dumps(dict(part)))
    raise TypeError(f"message {place} holds the part {_short(part)}; parts are texts, media, or mappings with a type")


def _sent(content: Any) -> Any:
    """Content as a request holds it."""
    if content is None or isinstance(content, str):
        return content
    return [
        part.part() if isinstance(part, Media) else {"type": "text", "text": part} if isinstance(part, str) else dict(part)
        for part in content
    ]


def _known(content: Any) -> Any:
    if content is None or isinstance(content, str):
        return content
    return [[type(part).__name__, *part.content_key()] if isinstance(part, Media) else part for part in content]


def _shown(message: Mapping[str, Any]) -> str:
    content = message["content"]
    if content is None:
        return "calls " + ", ".join(str(call.get("function", {}).get("name")) for call in message.get("tool_calls", ()))
    if isinstance(content, str):
        return content
    return " ".join(part if isinstance(part, str) else repr(part) if isinstance(part, Media) else _named(part) for part in content)


def _named(part: Mapping[str, Any]) -> str:
    return str(part["text"]) if part["type"] == "text" and "text" in part else f"[{part['type']}]"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
