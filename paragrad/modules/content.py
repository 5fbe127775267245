"""The content of a user message: a text, or text and media parts in the order of the inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from paragrad.errors import UsageError
from paragrad.modules.history import Messages
from paragrad.modules.media import Media
from paragrad.modules.wording import inputs_text, text_of

Content = str | list[dict[str, Any]]


def content_of(inputs: Mapping[str, Any]) -> Content:
    """Inputs as one content: their text as :func:`inputs_text` writes it, media where they stand, under their names.

    Raises:
        UsageError: a medium inside a structure, where no content part could carry it.
    """
    present = {name: value for name, value in inputs.items() if value is not None}
    media = {name: found for name, value in present.items() if (found := _media(name, value))}
    if not media:
        return inputs_text(present)
    parts: list[dict[str, Any]] = []
    lines: list[str] = []
    for name, value in present.items():
        if name not in media:
            lines.append(f"{name}: {text_of(value)}")
            continue
        if len(present) > 1:
            lines.append(f"{name}:")
        parts += [*_text(lines), *(medium.part() for medium in media[name])]
        lines = []
    return [*parts, *_text(lines)]


def spliced(inputs: Mapping[str, Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The earlier turns among the inputs, as messages, and the inputs that are none."""
    histories = [value for value in inputs.values() if isinstance(value, Messages)]
    rest = {name: value for name, value in inputs.items() if not isinstance(value, Messages)}
    return [message for history in histories for message in history.to_chat()], rest


def refuse_in_template(inputs: Mapping[str, Any]) -> None:
    """A system text holds words only.

    Raises:
        UsageError: a medium or a chat history is named by the template.
    """
    for name, value in inputs.items():
        if isinstance(value, Messages) or _media(name, value):
            raise UsageError(
                f"{name} is {_kind(value)}, which cannot stand in the template's text; take {{{name}}} out: it is sent beside it"
            )


def _media(name: str, value: Any) -> Sequence[Media]:
    """The media an input is made of: itself, or the list's; none for others."""
    if isinstance(value, Media):
        return [value]
    if isinstance(value, (list, tuple)) and value and all(isinstance(part, Media) for part in value):
        return value
    stack = [value] if isinstance(value, (list, tuple, Mapping)) else []
    while stack:
        part = stack.pop()
        if isinstance(part, Media):
            raise UsageError(f"the input {name!r} holds {part!r} inside a {type(value).__name__}; pass it as an input of its own")
        if isinstance(part, (list, tuple)):
            stack.extend(part)
        elif isinstance(part, Mapping):
            stack.extend(part.values())
    return ()


def _text(lines: Sequence[str]) -> list[dict[str, Any]]:
    return [{"type": "text", "text": "\n".join(lines)}] if lines else []


def _kind(value: Any) -> str:
    """A value in words; of a list, its first member."""
    if isinstance(value, Messages):
        return "a chat history"
    name = type(value if isinstance(value, Media) else value[0]).__name__
    return f"{'an' if name[0] in 'AI' else 'a'} {name}"
