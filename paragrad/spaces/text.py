"""Text: prompts, instructions, templates, any words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from paragrad.spaces.base import Base, names_of, whole_number, words_of
from paragrad.spaces.plain import short, whole_text
from paragrad.spaces.wording import diff_text, shorten


class Text(Base[str]):
    """A text, with what no proposal may take from it.

    Args:
        max_length: most characters, or None.
        placeholders: names whose ``{name}`` must stay. Doubled braces are an escape and do not count.
        keep: passages that must stay, word for word.
    """

    kind = "text"
    plain = True
    max_length: int | None
    placeholders: tuple[str, ...]
    keep: tuple[str, ...]

    def __init__(self, max_length: int | None = None, placeholders: Sequence[str] = (), keep: Sequence[str] = ()) -> None:
        names = tuple(name.strip("{}") for name in names_of("placeholders", placeholders))
        self._fix(max_length=whole_number("max_length", max_length), placeholders=names, keep=names_of("keep", keep))
        self._fix(_patterns=tuple((name, re.compile(r"(\{+)" + re.escape(name) + r"\}")) for name in names))

    _patterns: tuple[tuple[str, re.Pattern[str]], ...]

    def options(self) -> dict[str, Any]:
        """max_length, placeholders, keep."""
        return {"max_length": self.max_length, "placeholders": list(self.placeholders), "keep": list(self.keep)}

    def check(self, value: Any) -> str:
        """The text.

        Raises:
            TypeError: not a text.
            ValueError: too long, without a placeholder or a kept passage, or with half a surrogate pair.
        """
        if not isinstance(value, str):
            raise TypeError(f"data: {type(value).__name__} is not a text: {short(value)}; write str(value), or give another space=")
        text = whole_text(value)
        if self.max_length is not None and len(text) > self.max_length:
            raise ValueError(f"the text has {len(text)} characters, at most {self.max_length} are allowed; shorten it")
        for name, pattern in self._patterns:
            if not any(len(found[1]) % 2 for found in pattern.finditer(text)):
                raise ValueError(f"the placeholder {{{name}}} is missing; write {{{name}}} where its value belongs")
        for passage in self.keep:
            if passage not in text:
                raise ValueError(f"the passage {short(passage)} is missing; it must stay word for word")
        return text

    def show(self, value: str, limit: int | None = None) -> str:
        """The text itself."""
        return shorten(f"\n{value}\n" if _is_padded(value) else value, limit)

    def parse(self, text: str) -> str:
        """The reply as it is, without one newline before and after it when both are there."""
        words = words_of(self.kind, text)
        return self.check(words[1:-1] if _is_padded(words) else words)

    def encode(self, value: str) -> bytes:
        """UTF-8."""
        return value.encode()

    def decode(self, data: bytes) -> str:
        """The text of UTF-8 bytes."""
        try:
            return self.check(data.decode())
        except UnicodeDecodeError as error:
            raise ValueError(f"these bytes are no text: byte {error.start} is not UTF-8") from None

    def diff(self, a: str, b: str) -> str:
        """Changed words in place, or changed lines of a long text."""
        return diff_text(a, b)


def _is_padded(text: str) -> bool:
    return len(text) >= 2 and text.startswith("\n") and text.endswith("\n")
