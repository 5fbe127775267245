"""Placed rows: every row of a run has one number, so that its effects have a coordinate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from paragrad.protocols.data import Row


@dataclass(frozen=True, slots=True)
class Placed:
    """A row and its number in the run."""

    number: int
    row: Row


def place(*parts: Sequence[Row] | None) -> list[list[Placed]]:
    """Number the rows of several parts one after the other."""
    placed: list[list[Placed]] = []
    number = 0
    for part in parts:
        rows = list(part or ())
        placed.append([Placed(number + i, row) for i, row in enumerate(rows)])
        number += len(rows)
    return placed


def by_id(rows: Iterable[Placed]) -> dict[str, Placed]:
    """Row id to placed row."""
    return {placed.row.id: placed for placed in rows}
