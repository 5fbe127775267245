"""BM25: ranking by words, in memory, from the standard library alone."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from heapq import nsmallest
from typing import Any

from paragrad.errors import DataError, UsageError

_WORD = re.compile(r"\w+")


class BM25:
    """Ranks texts by the words they share with the query (Robertson and Zaragoza, 2009).

    Args:
        rows: texts, or mappings with a text column.
        text: the column that is searched.
        weights: ``(k1, b)``: how fast repetition saturates (0 to 3), how much length counts (0 to 1);
            a Parameter (Tensor of two numbers) is trained.

    Raises:
        DataError: no rows, or a row without the column.
    """

    external = False

    def __init__(self, rows: Iterable[Any], *, text: str = "text", weights: Any = (1.2, 0.75)) -> None:
        self.settings: Mapping[str, Any] = {"weights": weights}
        self._documents = [_document(row, text, place) for place, row in enumerate(rows)]
        if not self._documents:
            raise DataError("there is nothing to search: BM25 was given no rows")
        counts = [Counter(words(str(document[text]))) for document in self._documents]
        self._lengths = [count.total() for count in counts]
        self._mean = sum(self._lengths) / len(counts) or 1.0
        self._places: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for place, count in enumerate(counts):
            for word, times in count.items():
                self._places[word].append((place, times))

    def __len__(self) -> int:
        return len(self._documents)

    def search(self, asked: Mapping[str, Any]) -> Sequence[Any]:
        """The best documents with their ``score``; those that share no word are left out."""
        k1, b = _two(asked["weights"])
        scores: dict[int, float] = defaultdict(float)
        for word in words(str(asked["query"])):
            found = self._places.get(word, ())
            rarity = math.log1p((len(self._documents) - len(found) + 0.5) / (len(found) + 0.5))
            for place, times in found:
                scores[place] += rarity * times * (k1 + 1) / (times + k1 * (1 - b + b * self._lengths[place] / self._mean))
        best = nsmallest(int(asked["k"]), scores, key=lambda place: (-scores[place], place))
        return [{**self._documents[place], "score": round(scores[place], 6)} for place in best]


def words(text: str) -> list[str]:
    """Letters and digits in lower case."""
    return _WORD.findall(text.casefold())


def _document(row: Any, text: str, place: int) -> dict[str, Any]:
    if isinstance(row, str):
        return {"id": place, text: row}
    if not isinstance(row, Mapping) or text not in row:
        raise DataError(f"row {place} has no column {text!r}: {row!r:.80}; give texts, or mappings, and name the column: text=...")
    return {"id": place, **row}


def _two(weights: Any) -> tuple[float, float]:
    numbers = [float(number) for number in weights]
    if len(numbers) != 2 or not all(math.isfinite(number) and number >= 0 for number in numbers):
        raise UsageError(f"weights={weights!r:.60}: BM25 takes two numbers of at least 0, k1 and b")
    return numbers[0], numbers[1]
