"""Accumulators: what a leaf has collected, appended without a lock and folded when read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from math import fsum, isfinite
from operator import attrgetter
from threading import Lock, RLock
from typing import Any, NamedTuple, SupportsIndex

from paragrad.protocols.data import Episode
from paragrad.protocols.gradient import ScoreRecord, Tag
from paragrad.trace.spread import compact, dense, plus

FOLD = 4096  # numbers kept before they are folded into exact partials
FOLD_PARTS = 64  # arrays kept before they are summed within their items


class Gradients(list[Any]):
    """``v.grad``: gradients in order. With exactly one element its repr is that element's."""

    count = 0  # type: ignore[assignment]  # numeric contributions, not list.count

    def __repr__(self) -> str:
        return repr(self[0]) if len(self) == 1 else super().__repr__()

    __str__ = __repr__

    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        return super().__getitem__(index)


class Contribution(NamedTuple):
    """One textual gradient that reached a leaf. ``value`` is a str, or a Variable under ``create_graph``."""

    item: int | str | None
    value: Any
    operation: str
    argument: str
    stale: bool = False

    @property
    def tag(self) -> Tag:
        """Where it came from."""
        return Tag(self.item, self.operation, self.argument)


class Accumulator:
    """Collects contributions of every kind for one leaf.

    Appending to a list is atomic in Python, so threads need no lock; the order in which they arrive
    never shows, because reading sorts by item and sums numbers exactly (Shewchuk's ``fsum``). Arrays
    are summed within an item as they come, then in the order of the items.
    """

    __slots__ = ("episodes", "folded", "graphs", "limit", "numbers", "parts", "scores", "texts")

    def __init__(self) -> None:
        self.numbers: list[float] = []
        self.parts: list[tuple[int | str | None, Any]] = []
        self.folded = 0
        self.limit = FOLD_PARTS
        self.texts: list[Contribution] = []
        self.scores: list[ScoreRecord] = []
        self.episodes: list[Episode] = []
        self.graphs: list[Any] = []

    def add_number(self, gradient: Any, item: int | str | None = None) -> None:
        """Add one numeric contribution: a number, a list, an array, or a Variable under ``create_graph``."""
        if gradient.__class__ is float or isinstance(gradient, (float, int)):
            self.numbers.append(gradient)
            if len(self.numbers) >= FOLD:
                self._fold()
        else:
            self.parts.append((item, gradient))
            if len(self.parts) >= self.limit:
                self._fold()

    def add_floats(self, gradients: Sequence[float]) -> None:
        """Add many numeric contributions at once."""
        self.numbers.extend(gradients)
        if len(self.numbers) >= FOLD:
            self._fold()

    def _fold(self) -> None:
        """Replace the contributions so far by few with the same sum; what arrives meanwhile stays behind them."""
        with _FOLDING:
            before, parts = len(self.numbers), len(self.parts)
            if before >= FOLD:
                partials = _partials(self.numbers[:before])
                self.numbers[:before] = partials
                self.folded += before - len(partials)
            if parts >= self.limit:
                sums = [(item, compact(g)) for item, g in _by_item(self.parts[:parts]).items()]
                self.limit = max(FOLD_PARTS, 2 * len(sums))
                self.parts[:parts] = sums
                self.folded += parts - len(sums)

    def total(self) -> Any:
        """The sum of the numeric contributions, or None."""
        parts = self.parts
        if not parts:
            return _exact_sum(self.numbers) if self.numbers else None
        sums = _by_item(parts)
        each = [sums[item] for item in sorted(sums, key=item_key)]
        return dense(reduce(_plus, each if not self.numbers else [_exact_sum(self.numbers), *each]))

    def number_count(self) -> int:
        """How many numeric contributions were added."""
        with _FOLDING:
            return self.folded + len(self.numbers) + len(self.parts)

    def clear(self) -> None:
        """Forget everything."""
        self.clear_gradients()
        self.scores, self.episodes = [], []

    def clear_gradients(self) -> None:
        """Forget gradients; scores and episodes stay."""
        self.numbers, self.parts, self.folded, self.texts, self.graphs = [], [], 0, [], []

    def empty(self) -> bool:
        return not (self.numbers or self.parts or self.texts)


_ITEM = attrgetter("item")
_FOLDING = Lock()
_MAKING = RLock()  # the collector may free something that asks for another one in the middle


class Accumulating:
    """What has an accumulator in its slot ``acc``, made when it is first asked for: most never collect anything."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        if name != "acc":
            raise AttributeError(name)
        made = Accumulator()
        with _MAKING:  # of two threads that ask at once, both must get the same one
            try:
                return object.__getattribute__(self, "acc")
            except AttributeError:
                object.__setattr__(self, "acc", made)
                return made


def _plus(a: Any, b: Any) -> Any:
    """The sum of two contributions, recorded when one of them is a Variable."""
    if hasattr(a, "_n") or hasattr(b, "_n"):
        from paragrad.trace.operators import ADDED
        from paragrad.trace.record import operate

        return operate(ADDED, (dense(a), dense(b)))
    return plus(a, b)


def _by_item(parts: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    """The sum of each item's contributions, in the order in which they came."""
    sums: dict[Any, Any] = {}
    for item, part in parts:
        sums[item] = _plus(sums[item], part) if item in sums else part
    return sums


def _exact_sum(numbers: Sequence[float]) -> float:
    """Correctly rounded, whatever the order; infinities and overflow as plain addition gives them."""
    try:
        return fsum(numbers)
    except (OverflowError, ValueError):
        return float(sum(numbers))


def by_item(records: Iterable[Any]) -> list[Any]:
    """Records sorted by item, stable within one; items without a number come in order of their names."""
    found = list(records)
    kinds = {record.item.__class__ for record in found}
    if kinds == {int}:
        found.sort(key=_ITEM)
    elif kinds != {None.__class__}:
        found.sort(key=lambda record: item_key(record.item))
    return found


def item_key(item: int | str | None) -> tuple[int, int, str]:
    """Sorts items: none first, then numbers, then names."""
    if item is None:
        return (0, 0, "")
    return (1, item, "") if isinstance(item, int) else (2, 0, item)


def _partials(values: Sequence[float]) -> list[float]:
    """Few floats with exactly the sum of ``values``: their rounded sum, the rounded rest, and so on until none is left."""
    left, partials = list(values), list[float]()
    while not partials or partials[-1]:
        total = _exact_sum(left)
        if not isfinite(total):
            return [*partials, total]
        partials.append(total)
        left.append(-total)
    return partials[:-1] or partials
