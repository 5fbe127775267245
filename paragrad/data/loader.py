"""DataLoader: batches of rows, epoch after epoch, in an order that seed and epoch alone decide."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from random import Random
from typing import Any

from paragrad.data.content import short
from paragrad.data.dataset import Convert, Dataset
from paragrad.data.rows import rows
from paragrad.errors import UsageError
from paragrad.protocols.data import Row


class DataLoader:
    """Lists of :class:`Row`.

    Iterating gives one epoch and moves on to the next, so a second ``for`` sees another order;
    iterators are independent of each other, also nested ones. ``epoch(n)`` gives one epoch and moves nothing.

    Args:
        dataset: a Dataset, or whatever :func:`paragrad.data.rows` takes.
        batch_size: rows per batch; the last one of an epoch may be smaller.
        shuffle: another order each epoch.
        weights: one per row, finite and not negative. Each epoch draws every row of positive weight once,
            without replacement, heavy ones early (Efraimidis and Spirakis 2006); weight 0 is never drawn.

    Raises:
        UsageError: a batch size below 1, or weights that do not fit.
    """

    def __init__(
        self, dataset: Any, batch_size: int = 1, *, shuffle: bool = False, seed: int = 0, weights: Sequence[float] | None = None
    ) -> None:
        self.dataset: Dataset = rows(dataset)
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise UsageError(f"batch_size={batch_size!r}: give a whole number of rows, at least 1")
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.weights = None if weights is None else _checked(weights, len(self.dataset))
        self._next = 0
        self._skip = 0
        self._latest: _Epoch | None = None

    def __len__(self) -> int:
        """Batches per epoch."""
        drawn = len(self.dataset) if self.weights is None else sum(weight > 0 for weight in self.weights)
        return math.ceil(drawn / self.batch_size)

    def __iter__(self) -> Iterator[list[Row]]:
        started = self._latest = _Epoch(self, self._next, self._skip)
        self._next, self._skip = self._next + 1, 0
        return started

    def epoch(self, n: int, start: int = 0) -> Iterator[list[Row]]:
        """The batches of epoch ``n`` (from 0), from batch ``start`` on; counted round where that epoch has fewer."""
        made = _Epoch(self, n, start)
        made.batch = start % made.count if made.count else 0
        return made

    def order(self, epoch: int) -> list[int]:
        """The places in the data set that an epoch visits, in order."""
        places = list(range(len(self.dataset)))
        random = Random(hashlib.sha256(f"loader|{self.seed}|{epoch}".encode()).digest())
        if self.weights is not None:
            keys = [math.log(1 - random.random()) / weight if weight > 0 else 0.0 for weight in self.weights]
            return sorted((place for place in places if self.weights[place] > 0), key=lambda place: -keys[place])
        if self.shuffle:
            random.shuffle(places)
        return places

    def batches(self, epoch: int) -> list[list[int]]:
        """The places in the data set that each batch of an epoch holds."""
        order, size = self.order(epoch), self.batch_size
        return [order[first : first + size] for first in range(0, len(order), size)]

    def bind(
        self,
        inputs: Sequence[str],
        target: str | None = None,
        *,
        optional: Sequence[str] = (),
        convert: Mapping[str, Convert] | None = None,
    ) -> DataLoader:
        """The same batches for a program with these parameters; see :meth:`Dataset.bind`."""
        return self._over(self.dataset.bind(inputs, target, optional=optional, convert=convert), self.weights)

    def only(self, part: Dataset) -> DataLoader:
        """This loader for some of its rows: batch size, order, seed and weights stay.

        Args:
            part: rows of this loader's data set, known by their ids, bound or not.

        Raises:
            UsageError: a row that is not this loader's, or none of positive weight.
        """
        places = self._places(part)
        return self._over(part, None if self.weights is None else [self.weights[place] for place in places])

    def _places(self, part: Dataset) -> list[int]:
        """Where the rows of ``part`` stand in this loader's data set."""
        known = {id: place for place, id in enumerate(self.dataset.ids)}
        foreign = [id for id in part.ids if id not in known]
        if foreign:
            raise UsageError(f"row {short(foreign[0])} is not of this loader's data set")
        return [known[id] for id in part.ids]

    def _over(self, data: Dataset, weights: Sequence[float] | None) -> DataLoader:
        """A copy of this loader, of its own class, for other rows; at its first epoch."""
        made = copy(self)
        made.dataset = data
        made.weights = None if weights is None else _checked(weights, len(data))
        made._next, made._skip, made._latest = 0, 0, None
        return made

    def state_dict(self) -> dict[str, int]:
        """JSON: the epoch and the batch at which the latest iterator stands."""
        latest = self._latest
        if latest is None or latest.done:
            return {"epoch": self._next, "batch": self._skip}
        return {"epoch": latest.number, "batch": latest.batch}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go on where ``state`` was taken: the next iteration gives the rest of that epoch."""
        epoch, batch = state.get("epoch"), state.get("batch")
        if not isinstance(epoch, int) or not isinstance(batch, int) or epoch < 0 or not 0 <= batch <= len(self):
            raise UsageError(f"{short(dict(state))} is no state of this loader: give epoch and batch, batch at most {len(self)}")
        self._next, self._skip, self._latest = epoch, batch, None


class _Epoch(Iterator[list[Row]]):
    """One pass; knows where it stands."""

    def __init__(self, loader: DataLoader, number: int, start: int) -> None:
        self.number = number
        self.batch = start
        self._data = loader.dataset
        self._batches = loader.batches(number)
        self.count = len(self._batches)

    @property
    def done(self) -> bool:
        return self.batch >= len(self._batches)

    def __next__(self) -> list[Row]:
        if self.done:
            raise StopIteration
        self.batch += 1
        return [self._data[place] for place in self._batches[self.batch - 1]]


def _checked(weights: Sequence[float], count: int) -> tuple[float, ...]:
    found = tuple(float(weight) for weight in weights)
    if len(found) != count:
        raise UsageError(f"{len(found)} weights for {count} rows; give one per row")
    for place, weight in enumerate(found):
        if not math.isfinite(weight) or weight < 0:
            raise UsageError(f"weight {place} is {weight}; weights are finite and not negative")
    if not any(found):
        raise UsageError("every weight is 0; nothing could be drawn")
    return found
