"""Lines: styled text as plain data, so that one layout serves terminals, pipes and ``print(result)``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from paragrad.runs.figures import columns

WIDTH = 100
"""Columns the layout aims at; narrower terminals fold."""

LABEL = 9
"""Columns of the label at the start of a line."""

Part = tuple[str, str]
"""A text and its style: "", "label", "good", "bad", "dim", "strong" or "accent"."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line; ``indent`` is where its continuation starts when it is folded."""

    parts: tuple[Part, ...]
    indent: int = LABEL

    @property
    def text(self) -> str:
        """Without styles."""
        return "".join(text for text, _ in self.parts).rstrip()

    def fold(self, width: int) -> list[Line]:
        """Lines of at most ``width`` columns, broken at blanks; a word that is longer alone is cut."""
        if columns(self.text) <= width:
            return [self]
        folded: list[list[Part]] = [[]]
        used, fresh = 0, True
        for word, style in _words(self.parts):
            size = columns(word.rstrip())
            if used + size > width and not fresh:
                folded.append([(" " * self.indent, "")])
                used, fresh = self.indent, True
                word = word.lstrip()
            for piece in _pieces(word, max(8, width - used), width - self.indent):
                if piece is None:
                    folded.append([(" " * self.indent, "")])
                    used = self.indent
                    continue
                folded[-1].append((piece, style))
                used += columns(piece)
            fresh = fresh and not word.strip()
        return [Line(_bare(parts), self.indent) for parts in folded]


def line(*parts: str | Part, indent: int = LABEL) -> Line:
    """A line of texts and (text, style) pairs."""
    return Line(tuple((part, "") if isinstance(part, str) else part for part in parts), indent)


def labelled(label: str, *parts: str | Part) -> Line:
    """A line that starts with a label; an empty label continues the one above."""
    return line((label.ljust(LABEL), "label"), *parts)


def facts(label: str, items: Iterable[str | Part | None]) -> Line:
    """A labelled line of facts with ``·`` between them; None is left out."""
    parts: list[str | Part] = []
    for item in items:
        if item is None or item == "":
            continue
        if parts:
            parts.append((" · ", "dim"))
        parts.append(item)
    return labelled(label, *parts)


def plain(lines: Sequence[Line], width: int = WIDTH) -> str:
    """Lines as text of at most ``width`` columns."""
    return "\n".join(folded.text for one in lines for folded in one.fold(width))


def diff_parts(text: str) -> list[Part]:
    """A difference with its ``[-old-]`` and ``[+new+]`` styled."""
    import re

    parts: list[Part] = []
    for piece in re.split(r"(\[-.*?-\]|\[\+.*?\+\])", text, flags=re.DOTALL):
        style = (
            "bad" if piece.startswith("[-") and piece.endswith("-]") else "good" if piece.startswith("[+") and piece.endswith("+]") else ""
        )
        if piece:
            parts.append((piece, style))
    return parts


def _words(parts: Sequence[Part]) -> list[Part]:
    """Words with the blanks after them, styles kept."""
    found: list[Part] = []
    for text, style in parts:
        start = 0
        for place in range(1, len(text)):
            if text[place - 1] == " " and text[place] != " ":
                found.append((text[start:place], style))
                start = place
        found.append((text[start:], style))
    return found


def _bare(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Parts without blanks at the end of the line."""
    kept = list(parts)
    while kept and not kept[-1][0].strip():
        kept.pop()
    return (*kept[:-1], (kept[-1][0].rstrip(), kept[-1][1])) if kept else ()


def _pieces(word: str, first: int, rest: int) -> list[str | None]:
    """A word cut where it does not fit; None stands for a new line."""
    if columns(word.rstrip()) <= first:
        return [word]
    pieces: list[str | None] = [word[:first]]
    left = word[first:]
    while left:
        pieces += [None, left[: max(8, rest)]]
        left = left[max(8, rest) :]
    return pieces
