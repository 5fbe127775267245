"""List prices: what a token costs at most. A model that is not listed has no price, never a price of $0."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from paragrad.errors import UsageError
from paragrad.llm.types import Usage

_SNAPSHOT = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8})$")


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars per million tokens.

    Args:
        input: per million prompt tokens.
        output: per million answer tokens, reasoning included.
        source: where the figures come from, with their date.
    """

    input: float
    output: float
    source: str = "given"

    def __post_init__(self) -> None:
        for value in (self.input, self.output):
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
                raise UsageError(f"{value!r} is no price; write price=(dollars per million input tokens, per million output tokens)")

    @classmethod
    def of_pair(cls, value: Any) -> Price:
        """A Price from ``(in, out)`` or a Price."""
        if isinstance(value, Price):
            return value
        if isinstance(value, (tuple, list)) and len(value) == 2:
            return cls(value[0], value[1])
        raise UsageError(f"{value!r} is no price; write price=(dollars per million input tokens, per million output tokens)")

    @property
    def free(self) -> bool:
        """Whether nothing ever costs anything."""
        return self.input == 0 and self.output == 0

    def of(self, usage: Usage) -> float:
        """Dollars for what was used."""
        return (usage.input_tokens * self.input + usage.output_tokens * self.output) / 1_000_000

    def worst(self, input_tokens: int | None, max_tokens: int | None) -> float | None:
        """The most one call can cost, None when that is unknown; a free model costs nothing whatever it writes."""
        if (input_tokens is None and self.input > 0) or (max_tokens is None and self.output > 0):
            return None
        return self.of(Usage(input_tokens or 0, max_tokens or 0))


FREE = Price(0.0, 0.0, "runs on this machine")


def list_price(name: str) -> Price | None:
    """The list price of ``"provider:model"`` (dated snapshots share their model's), None when it is not listed."""
    table = _table()
    row = table["models"].get(name) or table["models"].get(_SNAPSHOT.sub("", name))
    return None if row is None else Price(row[0], row[1], f"list price of {table['date']}")


def listed() -> list[str]:
    """Every ``"provider:model"`` with a list price, sorted."""
    return sorted(_table()["models"])


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads((files("paragrad.llm") / "data" / "prices.json").read_text("utf-8"))
    return table
