"""Loaders of other kinds: their rows, their batches, their order."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import chain
from typing import Any

import pytest

import paragrad as pg
from paragrad.data import DataLoader, loader_of, rows
from paragrad.errors import DataError, UsageError

ROWS = [{"question": f"q{i}", "target": i} for i in range(10)]


def targets(batches: Any) -> list[list[Any]]:
    return [[row.target for row in batch] for batch in batches]


class Batches:
    """An iterable of batches with a length, shuffled by a generator of its own; ``form`` makes each batch."""

    def __init__(self, form: Any = list, size: int = 4, seed: int = 3, marked: bool = True) -> None:
        self.form, self.size, self.random = form, size, random.Random(seed)
        if marked:
            self.batch_size = size

    def __len__(self) -> int:
        return -(-len(ROWS) // self.size)

    def __iter__(self) -> Iterator[Any]:
        order = self.random.sample(ROWS, len(ROWS))
        for first in range(0, len(order), self.size):
            yield self.form(order[first : first + self.size])


class Column(list[Any]):
    """A column that is a list of its own kind, as an array is."""

    def tolist(self) -> list[Any]:
        return list(self)


FORMS: dict[str, Any] = {
    "dicts": list,
    "rows": lambda part: [pg.Row(f"r{one['target']}", {"question": one["question"]}, one["target"]) for one in part],
    "pairs": lambda part: [({"question": one["question"]}, one["target"]) for one in part],
    "columns": lambda part: {name: Column(one[name] for one in part) for name in part[0]},
    "two columns": lambda part: [[one["question"] for one in part], Column(one["target"] for one in part)],
}


@pytest.mark.parametrize("form", FORMS)
def test_batches_of_every_form_are_used_as_they_are(form: str) -> None:
    wanted = [[one["target"] for one in batch] for _ in range(3) for batch in Batches()]
    again = Batches()
    wanted = [[one["target"] for one in batch] for _ in range(3) for batch in again]
    found = loader_of(Batches(FORMS[form]))
    assert found is not None
    assert (len(found), found.batch_size, len(found.dataset)) == (3, 4, 10)
    assert targets(chain(found, found, found)) == wanted, "a pass is an epoch"
    assert targets(found.epoch(1)) == wanted[3:6]
    assert targets(found.epoch(1, start=2)) == wanted[5:6]


def test_the_rows_do_not_depend_on_the_first_pass() -> None:
    first, second = (loader_of(Batches(seed=seed)) for seed in (1, 2))
    assert first is not None
    assert second is not None
    assert first.dataset == second.dataset


@pytest.mark.parametrize("data", [ROWS, [("q", 1)], rows(ROWS), {"question": ["a"]}, "data.csv", [[{"a": 1}, {"b": 2}]], range(3)])
def test_what_is_no_loader(data: Any) -> None:
    assert loader_of(data) is None


def test_our_own_stays_what_it_is() -> None:
    loader = DataLoader(ROWS, 3)
    assert loader_of(loader) is loader


def test_an_unmarked_iterable_is_told_by_its_batches() -> None:
    assert loader_of(Batches(FORMS["rows"], marked=False)) is not None
    assert loader_of(Batches(lambda part: part[0], marked=False)) is None, "rows, not batches"
    assert loader_of([FORMS["rows"](ROWS[:2]), FORMS["rows"](ROWS[2:3])]) is not None


@pytest.mark.parametrize("form", [lambda part: 3, lambda part: [1, 2, 3], lambda part: {"a": [1], "b": [1, 2]}, lambda part: "abc"])
def test_a_batch_of_no_form_is_shown(form: Any) -> None:
    with pytest.raises(DataError, match="a batch that is no list of rows"):
        loader_of(Batches(form))


def test_a_row_that_comes_later_is_an_error() -> None:
    batches = [[{"q": "a", "target": 1}], [{"q": "b", "target": 2}]]

    class Growing(Batches):
        def __iter__(self) -> Iterator[Any]:
            yield from [list(batch) for batch in batches]

    loader = loader_of(Growing())
    batches.append([{"q": "c", "target": 3}])
    assert loader is not None
    with pytest.raises(DataError, match="did not have"):
        list(loader.epoch(1))


def test_a_part_of_a_loader_keeps_its_order_and_its_number_of_batches() -> None:
    loader = loader_of(Batches())
    assert loader is not None
    half, other = loader.dataset.split(0.5, 0.5)
    part = loader.only(half)
    for epoch in range(4):
        whole = [row.id for batch in loader.epoch(epoch) for row in batch if row.id in half.ids]
        batches = list(part.epoch(epoch))
        assert [row.id for batch in batches for row in batch] == whole
        assert len(batches) == len(part)
    bound = part.bind(["question"])
    assert targets(bound.epoch(1)) == targets(part.epoch(1))
    with pytest.raises(UsageError, match="is not of this loader"):
        DataLoader(half).only(other)


def test_a_part_of_ours_keeps_seed_size_and_weights() -> None:
    loader = DataLoader(ROWS, 2, shuffle=True, seed=5, weights=[0, 1, 2, 0, 1, 1, 1, 1, 1, 8])
    part = loader.only(loader.dataset.take([9, 0, 2]))
    assert (part.batch_size, part.seed, part.weights) == (2, 5, (8.0, 0.0, 2.0))
    assert sorted(chain(*targets(part))) == [2, 9]


def test_a_torch_loader_is_asked_for_its_sampler() -> None:
    torch = pytest.importorskip("torch")
    from torch.utils.data import DataLoader as Torch
    from torch.utils.data import WeightedRandomSampler

    def made() -> Any:
        return Torch(ROWS, batch_size=3, shuffle=True, generator=torch.Generator().manual_seed(3))

    theirs = made()
    wanted = [[int(target) for target in batch["target"]] for _ in range(2) for batch in theirs]
    ours = loader_of(made())
    assert ours is not None
    assert [row.inputs["question"] for row in ours.dataset] == [one["question"] for one in ROWS]
    # ours asks the sampler alone; torch's own iterator draws one more number per pass
    assert sorted(chain(*targets(ours.epoch(0)))) == sorted(chain(*wanted[:4])) == list(range(10))
    assert targets(ours.epoch(0)) == targets(loader_of(made()).epoch(0))  # type: ignore[union-attr]
    assert [len(batch) for batch in ours.epoch(1)] == [3, 3, 3, 1]
    weighted = Torch(ROWS, batch_size=4, sampler=WeightedRandomSampler([0, 0, 0, 1, 1, 0, 0, 0, 0, 0], 12, replacement=True))
    drawn = loader_of(weighted)
    assert drawn is not None
    assert {row.target for batch in drawn.epoch(2) for row in batch} <= {3, 4}
    assert all(len({row.id for row in batch}) == len(batch) for batch in drawn.epoch(0)), "a row once per batch"
