"""Chat messages to token ids: ``<sys> text <user> text <bot> answer <end> … <bot>``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from paragrad.errors import BadRequest
from paragrad.llm.embedded.tokenizer import Tokenizer

ROLES = ("system", "developer", "user", "tool", "assistant")


def encode_chat(tokenizer: Tokenizer, messages: Sequence[Mapping[str, Any]]) -> list[int]:
    """Token ids of a conversation, ending where the model's next answer begins.

    Raises:
        BadRequest: no message, an unknown role, or content that is not text.
    """
    if not messages:
        raise BadRequest("messages is empty: send at least one {'role': 'user', 'content': ...}", status=400)
    out: list[int] = []
    for place, message in enumerate(messages):
        role, text = message.get("role"), _text(message, place)
        if role in ("system", "developer"):
            out += [tokenizer.system, *tokenizer.encode(text)]
        elif role in ("user", "tool"):
            out += [tokenizer.user, *tokenizer.encode(text)]
        elif role == "assistant":
            out += [tokenizer.bot, *tokenizer.encode(text), tokenizer.end]
        else:
            raise BadRequest(f"messages[{place}].role is {str(role)[:40]!r}; it must be one of {', '.join(ROLES)}", status=400)
    return [*out, tokenizer.bot]


def _text(message: Mapping[str, Any], place: int) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    if content is None and message.get("role") == "assistant":
        return ""
    if isinstance(content, Sequence) and all(isinstance(p, Mapping) and isinstance(p.get("text"), str) for p in content):
        return "".join(part["text"] for part in content)
    raise BadRequest(f"messages[{place}].content is {type(content).__name__}; this model reads text only", status=400)
