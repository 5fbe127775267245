"""Keys: kept where they are needed, and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from paragrad.errors import UsageError

MASK = "[key]"

_LIKE_A_KEY = re.compile(
    r"""\b(?:sk|pk|rk|gsk|xai|hf|ghp|key)[-_][A-Za-z0-9_*.\-]{8,}"""
    r"""|\bAIza[A-Za-z0-9_\-]{16,}"""
    r"""|(?i:\b(?:bearer|basic)\s+)[A-Za-z0-9_\-.+/=~*]{6,}"""
    r"""|(?i:["']?(?:x-)?api[-_]?key["']?\s*[:=]\s*)["']?[^\s"'&,}]{6,}"""
    r"""|(?i:authorization["']?\s*[:=]\s*["']?(?:(?:bearer|basic)\s+)?)[^\s"',}]{6,}"""
)
_SECRET_NAME = re.compile(r"(?i)(header|authori[sz]ation|api[-_]?key|token$|secret|password|cookie|credential)")
_NOT_SECRET = frozenset({"max_tokens", "max_completion_tokens"})


class Secret:
    """A key that no ``repr``, ``str`` or format shows."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value.strip()
        if not self._value.isascii() or not self._value.isprintable() or " " in self._value:
            raise UsageError(
                "the API key holds blanks or characters that no HTTP header may carry; copy it again (the key is not shown here)"
            )

    def reveal(self) -> str:
        """The key itself, for the one place that sends it."""
        return self._value

    def redact(self, text: str) -> str:
        """``text`` without this key, and without anything that looks like one."""
        if len(self._value) >= 4:
            text = text.replace(self._value, MASK)
        return redact(text)

    def remove(self, text: str) -> str:
        """``text`` without exactly this key; other text stays as it is."""
        return text.replace(self._value, MASK) if len(self._value) >= 8 else text

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__


def redact(text: str) -> str:
    """``text`` without anything that looks like a key."""
    return _LIKE_A_KEY.sub(MASK, text)


def shorten(text: str, limit: int = 200) -> str:
    """One line of at most ``limit`` characters, without anything that looks like a key."""
    line = redact(" ".join(text[: 20 * limit].split()))
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def without_secrets(options: Mapping[str, Any]) -> dict[str, Any]:
    """Backend options without headers and keys: what digests and records may hold."""
    return {name: value for name, value in options.items() if name in _NOT_SECRET or not _SECRET_NAME.search(name)}
