"""What a search knows between two steps: plain JSON, written to the journal after every step."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from paragrad.errors import UsageError
from paragrad.trainers.values import Parameters, from_json, to_json


@dataclass
class State:
    """A search between two steps.

    Attributes:
        best: the values accepted so far. ``seen``: row number to their score.
        optimizer: the optimizer's own state.
        history: one entry per candidate that was decided on.
        quiet: steps since the last gain.
        done: why the search ended, or "".
        more: what the algorithm itself remembers, plain data; replaced, never changed.
    """

    step: int
    best: dict[str, Any]
    seen: dict[int, float | None]
    optimizer: Any
    history: list[dict[str, Any]] = field(default_factory=list)
    quiet: int = 0
    calls: int = 0
    calls_per_row: float = 1.0
    done: str = ""
    more: dict[str, Any] = field(default_factory=dict)

    def scores(self, numbers: Sequence[int]) -> list[float | None]:
        """Scores of the best values on rows that were evaluated."""
        return [self.seen[number] for number in numbers]

    def to_json(self, parameters: Parameters) -> dict[str, Any]:
        """JSON-like; what comes back from :meth:`from_json` is the same in every respect."""
        data = {**vars(self), "best": to_json(parameters, self.best), "optimizer": self.optimizer, "history": self.history}
        data["seen"] = [[number, score] for number, score in self.seen.items()]
        plain: dict[str, Any] = plain_state(data)
        return plain

    @classmethod
    def from_json(cls, parameters: Parameters, data: Mapping[str, Any]) -> State:
        """The inverse of :meth:`to_json`."""
        seen = {number: score for number, score in data["seen"]}
        return cls(**{**data, "best": from_json(parameters, data["best"]), "seen": seen})


def plain_state(state: Any) -> Any:
    """A state as a resumed run would find it.

    Raises:
        UsageError: it holds something that is no plain data.
    """
    try:
        return json.loads(json.dumps(state, default=_fields))
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"an optimizer's state is plain data (str, numbers, bool, None, list, dict), so that a run can be resumed: {error}"
        ) from error


def _fields(value: Any) -> Any:
    """Mappings and dataclasses (demos) as plain data."""
    if isinstance(value, Mapping):
        return dict(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    raise TypeError(f"a value of type {type(value).__name__} is none")
