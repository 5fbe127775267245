"""Tables: columns as wide as their cells, the widest shortened first when the whole is too wide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paragrad.runs.figures import clip, columns, pad
from paragrad.runs.lines import WIDTH, Line, Part

GAP = 2
LEAST = 8

Cell = str | Part


def tabulated(names: Sequence[str], rows: Sequence[Sequence[Cell]], *, right: Sequence[str] = (), width: int = WIDTH) -> list[Line]:
    """A heading and the rows; cells are texts or (text, style)."""
    cells = [[_part(cell) for cell in row] for row in rows]
    wide = [max([columns(name), *(columns(row[i][0]) for row in cells)]) for i, name in enumerate(names)]
    over = sum(wide) + GAP * (len(wide) - 1) - width
    while over > 0 and max(wide) > LEAST:
        widest = wide.index(max(wide))
        cut = min(over, wide[widest] - LEAST, max(1, wide[widest] - sorted(wide)[-2]) if len(wide) > 1 else over)
        wide[widest] -= cut
        over -= cut
    head = [(name, "label") for name in names]
    return [_line(row, names, wide, right) for row in (head, *cells)]


def _line(row: Sequence[Part], names: Sequence[str], wide: Sequence[int], right: Sequence[str]) -> Line:
    parts: list[Any] = []
    for (text, style), name, width in zip(row, names, wide, strict=True):
        parts += [(pad(clip(text, width), width, right=name in right), style), (" " * GAP, "")]
    return Line(tuple(parts[:-1]), indent=GAP)


def _part(cell: Cell) -> Part:
    return (cell, "") if isinstance(cell, str) else cell
