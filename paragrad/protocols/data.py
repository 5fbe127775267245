"""Rows of data, demonstrations, and the steps of an episode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One example: what the program is given and what it should answer.

    Attributes:
        id: stable name, unique in its data set.
        inputs: argument name to value.
        target: the wanted output, or None.
        meta: every other column.
    """

    id: str
    inputs: Mapping[str, Any]
    target: Any = None
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Demo:
    """One worked example shown to a model: inputs by argument name, and the output as it should be written."""

    inputs: Mapping[str, Any]
    output: Any


@dataclass(frozen=True, slots=True)
class Step:
    """One component's part in a run: what went in, what came out; ``row``: the Row it was done for, in an evaluation."""

    component: str
    input_args: Mapping[str, Any]
    output: Any
    row: Any = None


@dataclass(frozen=True, slots=True)
class Episode:
    """The steps of one run of a program on one row: demo evidence, and what ``Environment.score`` reads."""

    steps: Sequence[Step]
    output: Any = None
    score: float | None = None
    item: int | str | None = None
