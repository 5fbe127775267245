"""Accumulators: what a leaf has collected, appended without a lock and folded when read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import fsum
from typing import Any, SupportsIndex

from paragrad.protocols.data import Episode
from paragrad.protocols.gradient import ScoreRecord, Tag

FOLD = 4096  # plain floats kept before they are folded into exact partials


class Gradients(list[Any]):
    """``v.grad``: gradients in order. With exactly one element its repr is that element's."""

    count: int = 0

    def __repr__(self) -> str:
        return repr(self[0]) if len(self) == 1 else super().__repr__()

    __str__ = __repr__

    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        return super().__getitem__(index)


@dataclass(frozen=True, slots=True)
class Contribution:
    """One textual gradient that reached a leaf. ``value`` is a str, or a Variable under ``create_graph``."""

    item: int | str | None
    value: Any
    tag: Tag
    stale: bool = False


class Accumulator:
    """Collects contributions of every kind for one leaf.

    Appending to a list is atomic in Python, so threads need no lock; the order in which they arrive
    never shows, because reading sorts by item and sums numbers exactly (Shewchuk's ``fsum``).
    """

    __slots__ = ("count", "episodes", "graphs", "numbers", "scores", "texts")

    def __init__(self) -> None:
        self.numbers: list[Any] = []
        self.count = 0
        self.texts: list[Contribution] = []
        self.scores: list[ScoreRecord] = []
        self.episodes: list[Episode] = []
        self.graphs: list[Any] = []

    def add_number(self, gradient: Any) -> None:
        """Add one numeric contribution: a float, an array, or a Variable under ``create_graph``."""
        numbers = self.numbers
        numbers.append(gradient)
        if len(numbers) >= FOLD:
            self._fold()

    def _fold(self) -> None:
        taken, self.numbers = self.numbers, []
        floats = [x for x in taken if x.__class__ is float]
        rest = [x for x in taken if x.__class__ is not float]
        self.numbers[:0] = [*_partials(floats), *rest]
        self.count += len(taken) - len(self.numbers)

    def total(self) -> Any:
        """The sum of the numeric contributions, or None."""
        numbers = self.numbers
        if not numbers:
            return None
        if all(x.__class__ is float or x.__class__ is int for x in numbers):
            return fsum(numbers)
        total = numbers[0]
        for x in numbers[1:]:
            total = total + x
        return total

    def number_count(self) -> int:
        """How many numeric contributions were added."""
        return self.count + len(self.numbers)

    def clear(self) -> None:
        """Forget everything."""
        self.numbers, self.count, self.texts, self.scores, self.episodes, self.graphs = [], 0, [], [], [], []

    def clear_gradients(self) -> None:
        """Forget gradients; scores and episodes stay."""
        self.numbers, self.count, self.texts, self.graphs = [], 0, [], []

    def empty(self) -> bool:
        return not (self.numbers or self.texts)


def by_item(records: Iterable[Any]) -> list[Any]:
    """Records sorted by item, stable within one; items without a number come in order of their names."""
    return sorted(records, key=lambda r: _item_key(r.item))


def _item_key(item: int | str | None) -> tuple[int, int, str]:
    if item is None:
        return (0, 0, "")
    return (1, item, "") if isinstance(item, int) else (2, 0, item)


def _partials(values: Sequence[float]) -> list[float]:
    """Non-overlapping floats with exactly the sum of ``values`` (Shewchuk 1997)."""
    partials: list[float] = []
    for x in values:
        kept = 0
        for y in partials:
            if abs(x) < abs(y):
                x, y = y, x  # noqa: PLW2901
            high = x + y
            low = y - (high - x)
            if low:
                partials[kept] = low
                kept += 1
            x = high  # noqa: PLW2901
        partials[kept:] = [x]
    return partials
