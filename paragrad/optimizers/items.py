"""Itemised text: a head of free words and, under it, a list of one-line items. The text itself holds everything."""

from __future__ import annotations

from collections.abc import Sequence

BULLET = "- "


def split(text: str) -> tuple[str, list[str]]:
    """The head, and the items of the list that ends the text; none when it does not end in one."""
    lines = text.rstrip().split("\n")
    first = len(lines)
    while first and lines[first - 1].startswith(BULLET) and lines[first - 1][len(BULLET) :].strip():
        first -= 1
    if first == len(lines):
        return text.rstrip("\n"), []
    return "\n".join(lines[:first]).rstrip("\n"), [line[len(BULLET) :].strip() for line in lines[first:]]


def joined(head: str, items: Sequence[str]) -> str:
    """The text of a head and items; the inverse of :func:`split` for what it made."""
    listed = "\n".join(BULLET + item for item in items)
    return "\n\n".join(part for part in (head, listed) if part)


def one_line(text: str) -> str:
    """An item's words on one line, without a bullet of their own."""
    return " ".join(text.split()).removeprefix(BULLET).strip()
