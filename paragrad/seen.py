"""Seen: a set of texts of fixed size that may hold too much, never too little."""

from __future__ import annotations

_MARKS = 1 << 20


class Seen:
    """Texts that were added, and a few that were not: who is told "no" need not look; the memory of a long run stays flat.

    One byte for about every text. Of 100,000 texts that were never added, after as many that were, ten in a hundred seem seen.
    """

    def __init__(self) -> None:
        self._marks = bytearray(_MARKS)

    def add(self, text: str) -> None:
        """Remember a text."""
        self._marks[hash(text) % _MARKS] = 1

    def __contains__(self, text: str) -> bool:
        return self._marks[hash(text) % _MARKS] == 1
