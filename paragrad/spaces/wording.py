"""Words for people and models: shortening in the middle, and differences of texts."""

from __future__ import annotations

import difflib
import re
import unicodedata

MAX_WORDS = 400
"""Tokens up to which a difference is shown inside one line."""

MAX_LINES = 2000
"""Changed lines up to which lines are matched; beyond, one block replaces the other (matching is quadratic)."""

_MOVERS = "\u061c\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
"""Characters without a shape that reorder or hide others; joiners inside words and emoji are not among them."""

_TOKENS = re.compile(r"\s+|\w+|[^\w\s]")


def shorten(text: str, limit: int | None) -> str:
    """At most ``limit`` characters; what is left out is taken from the middle and marked ``…``."""
    if limit is None or len(text) <= limit:
        return text
    if limit <= 0:
        return ""
    tail = (limit - 1) // 2
    return text[: limit - 1 - tail] + "…" + (text[-tail:] if tail else "")


def visible(text: str) -> str:
    """The text with invisible controls written out, so that no value can move a terminal's cursor or hide words."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if _is_visible(char) else char.encode("unicode_escape").decode() for char in text)


def diff_text(a: str, b: str) -> str:
    """What changed: inside the line for short texts (``[-old-][+new+]``), unified lines for long ones; empty when equal."""
    if a == b:
        return ""
    before, after = _TOKENS.findall(a), _TOKENS.findall(b)
    if len(before) + len(after) <= MAX_WORDS:
        return visible(_inline(before, after))
    return diff_lines(a, b)


def diff_lines(a: str, b: str) -> str:
    """Changed lines with two lines of context, marked ``-`` and ``+``; empty when equal."""
    if a == b:
        return ""
    before, after = a.splitlines() or [""], b.splitlines() or [""]
    if before == after:
        return "only the ends of lines changed"
    start = _common(before, after)
    end = _common(before[start:][::-1], after[start:][::-1])
    if len(before) + len(after) - 2 * (start + end) > MAX_LINES:
        old, new = len(before) - start - end, len(after) - start - end
        return f"@@ line {start + 1}: {old} lines replaced by {new} @@"
    lead = max(0, start - 3)
    rows = difflib.unified_diff(before[lead:], after[lead:], lineterm="", n=2)
    return visible("\n".join(_shifted(row, lead) for row in list(rows)[2:]))


def change(a: str, b: str) -> str:
    """``a → b``; empty when equal."""
    return "" if a == b else f"{visible(a)} → {visible(b)}"


def _inline(before: list[str], after: list[str]) -> str:
    parts = []
    for tag, i1, i2, j1, j2 in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag == "equal":
            parts.append("".join(before[i1:i2]))
            continue
        if i1 < i2:
            parts.append(f"[-{''.join(before[i1:i2])}-]")
        if j1 < j2:
            parts.append(f"[+{''.join(after[j1:j2])}+]")
    return "".join(parts)


def _shifted(row: str, lead: int) -> str:
    """A hunk header with the line numbers of the whole text."""
    if not row.startswith("@@ ") or not lead:
        return row
    return re.sub(r"([-+])(\d+)", lambda found: f"{found[1]}{int(found[2]) + lead}", row, count=2)


def _common(a: list[str], b: list[str]) -> int:
    count = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        count += 1
    return count


def _is_visible(char: str) -> bool:
    return char in "\n\t" or not (
        char in _MOVERS or "\U000e0000" <= char <= "\U000e007f" or unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")
    )
