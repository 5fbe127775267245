"""Job: one candidate on some rows; and the sign that a part of a run is to stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paragrad.trainers.rows import Placed

Values = Mapping[str, Any]


class Halted(Exception):
    """Another part of the run has failed; this one stops before its next effect. Never reaches the user."""


@dataclass(frozen=True)
class Job:
    """One candidate on some rows. ``candidate`` is its number in the step."""

    values: Values
    rows: Sequence[Placed]
    candidate: int = 0
    label: str = ""
    repeat: int = 0
    record: bool = False
    reach: Any = None
