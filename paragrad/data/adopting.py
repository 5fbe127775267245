"""Loaders of other kinds: their batches and their order are kept, whatever they are made of.

A torch-like loader is asked for its sampler, so that its batches are known as places in its data set and
nothing is collated; of any other iterable of batches one pass tells the rows. A pass over it is an epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from threading import Lock
from typing import Any

from paragrad.data import content
from paragrad.data.dataset import Dataset
from paragrad.data.loader import DataLoader
from paragrad.data.rows import rows
from paragrad.errors import DataError
from paragrad.protocols.data import Row

Places = list[list[int]]


def loader_of(data: Any) -> DataLoader | None:
    """``data`` as a loader, when it is one: ours, a torch-like one, or an iterable of batches; else None."""
    if isinstance(data, DataLoader):
        return data
    if isinstance(data, (Dataset, str, bytes, Mapping)) or hasattr(data, "__fspath__") or hasattr(data, "columns"):
        return None
    sampler: Any = getattr(data, "batch_sampler", None)
    dataset: Any = getattr(data, "dataset", None)
    if sampler is not None and hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__"):
        found = rows([dataset[place] for place in range(len(dataset))])
        return Adopted(found, Passes(lambda: [list(map(int, batch)) for batch in sampler]))
    if not _gives_batches(data):
        return None
    found, read = _learnt(data)
    return Adopted(found, Passes(read))


class Passes:
    """Passes over a foreign loader, each made once, in order, however many loaders share it."""

    def __init__(self, read: Callable[[], Places]) -> None:
        self.read = read
        self.known: list[Places] = []
        self._lock = Lock()

    def __call__(self, number: int) -> Places:
        """The batches of pass ``number``, as places in the data set."""
        with self._lock:
            while len(self.known) <= number:
                self.known.append(self.read())
            return self.known[number]


class Adopted(DataLoader):
    """A loader of another kind, as ours.

    Args:
        dataset: its rows.
        passes: its batches, as places in its whole data set.
        places: place in the whole data set to place in ``dataset``; None: they are the same.
    """

    def __init__(self, dataset: Dataset, passes: Passes, places: Mapping[int, int] | None = None) -> None:
        self._passes = passes
        self._kept = places
        super().__init__(dataset, max((len(batch) for batch in passes(0)), default=1) or 1)
        self._count = max(1, len(self._own(0)))

    def __len__(self) -> int:
        """Batches per epoch."""
        return self._count

    def order(self, epoch: int) -> list[int]:
        """The places that an epoch visits, in order."""
        return [place for batch in self.batches(epoch) for place in batch]

    def batches(self, epoch: int) -> Places:
        """The foreign loader's batches; a pass that has more or fewer than the first is cut into as many."""
        found = self._own(epoch)
        if len(found) == self._count:
            return found
        order = [place for batch in found for place in batch] or list(range(len(self.dataset)))
        order = [order[i % len(order)] for i in range(max(len(order), self._count))]
        cuts = [round(i * len(order) / self._count) for i in range(self._count + 1)]
        return [list(dict.fromkeys(order[first:last])) for first, last in pairwise(cuts)]

    def only(self, part: Dataset) -> DataLoader:
        """This loader for some of its rows; see :meth:`DataLoader.only`."""
        here = {place: number for number, place in enumerate(self._places(part))}
        kept = here if self._kept is None else {whole: here[place] for whole, place in self._kept.items() if place in here}
        return Adopted(part, self._passes, kept)

    def _own(self, number: int) -> Places:
        """A pass, as places in this loader's rows, each once per batch; what is not its own left out."""
        kept = self._kept
        found = [list(dict.fromkeys(batch if kept is None else [kept[p] for p in batch if p in kept])) for batch in self._passes(number)]
        return [batch for batch in found if batch]

    def _over(self, data: Dataset, weights: Sequence[float] | None) -> DataLoader:
        return Adopted(data, self._passes, self._kept)


def _gives_batches(data: Any) -> bool:
    """Whether an object yields batches of rows, not rows."""
    if not hasattr(data, "__iter__") or not hasattr(data, "__len__"):
        return False
    if hasattr(data, "batch_size"):
        return True
    first = next(iter(data), None)
    wanted: Any = Row if isinstance(data, (list, tuple)) else (Row, Mapping)
    return isinstance(first, list) and bool(first) and all(isinstance(part, wanted) for part in first)


def _learnt(data: Iterable[Any]) -> tuple[Dataset, Callable[[], Places]]:
    """The rows of one pass, in an order that does not depend on it, and how to read further passes."""
    first = [_uncollated(batch) for batch in data]
    known = {key: row for batch in first for row in batch for key in [_key(row)]}
    order = {key: place for place, key in enumerate(sorted(known))}
    found = rows([known[key] for key in order])
    waiting = [first]

    def read() -> Places:
        batches = waiting.pop() if waiting else [_uncollated(batch) for batch in data]
        try:
            return [[order[_key(row)] for row in batch] for batch in batches]
        except KeyError:
            raise DataError("the loader gave a row that its first pass did not have; every pass must be over the same rows") from None

    return found, read


def _key(row: Any) -> str:
    return row.id if isinstance(row, Row) else content.digest(row)


def _uncollated(batch: Any) -> list[Any]:
    """The rows of a batch: a list of rows, a mapping of columns, or a pair of columns.

    Raises:
        DataError: another form.
    """
    if isinstance(batch, Mapping):
        columns = {str(name): _listed(column) for name, column in batch.items()}
        if len({len(column) for column in columns.values()}) == 1:
            return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    elif isinstance(batch, (list, tuple)) and batch:
        if all(isinstance(part, (Row, Mapping)) or (isinstance(part, tuple) and len(part) == 2) for part in batch):
            return list(batch)
        if len(batch) == 2:
            inputs, targets = (_listed(column) for column in batch)
            if len(inputs) == len(targets):
                return list(zip(inputs, targets, strict=True))
    raise DataError(
        f"the loader gave a batch that is no list of rows: {content.short(batch)}; give lists of dicts, Rows or (input, target) pairs"
    )


def _listed(column: Any) -> list[Any]:
    """A column as a list of plain values."""
    return list(column.tolist() if hasattr(column, "tolist") else column)
