"""Loaders: an order that seed and epoch decide, weights that count, and a state that goes on."""

from collections import Counter
from itertools import chain

import pytest

from paragrad.data import DataLoader, rows
from paragrad.errors import UsageError

PAIRS = [(f"t{i}", i) for i in range(10)]


def targets(batches):
    return [[row.target for row in batch] for batch in batches]


def test_batches():
    loader = DataLoader(PAIRS, batch_size=4)
    assert targets(loader) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert len(loader) == 3
    assert targets(loader) == targets(loader)
    data = rows(PAIRS)
    assert DataLoader(data).dataset is data


def test_every_epoch_has_its_own_order_and_can_be_had_again():
    loader = DataLoader(PAIRS, 3, shuffle=True, seed=1)
    first, second = targets(loader), targets(loader)
    assert first != second
    assert sorted(chain(*first)) == sorted(chain(*second)) == list(range(10))
    assert [first, second] == [targets(loader.epoch(0)), targets(loader.epoch(1))]
    assert targets(loader.epoch(1, start=2)) == second[2:]
    assert targets(DataLoader(PAIRS, 3, shuffle=True, seed=1)) == first != targets(DataLoader(PAIRS, 3, shuffle=True, seed=2))


def test_nested_iterators_are_independent():
    loader = DataLoader(PAIRS, 5, shuffle=True)
    seen = [(outer[0].target, targets(loader)) for outer in loader]
    assert len(seen) == 2
    assert targets(loader.epoch(0)) == targets(DataLoader(PAIRS, 5, shuffle=True))
    assert [inner for _, inner in seen] == [targets(loader.epoch(1)), targets(loader.epoch(2))]


def test_weights_count():
    loader = DataLoader(PAIRS, weights=[1, 2, 4, 0, 1, 1, 1, 1, 1, 8])
    assert len(loader) == 9
    first = Counter()
    for epoch in range(4000):
        order = loader.order(epoch)
        assert sorted(order) == [0, 1, 2, 4, 5, 6, 7, 8, 9]
        first[order[0]] += 1
    for place, share in ((9, 8 / 20), (2, 4 / 20), (1, 2 / 20), (0, 1 / 20)):
        assert first[place] / 4000 == pytest.approx(share, abs=0.03)


WRONG = [([1], "1 weights for 10"), ([0] * 10, "every weight is 0"), ([-1] * 10, "not negative"), ([float("nan")] * 10, "finite")]


@pytest.mark.parametrize(("weights", "said"), WRONG)
def test_weights_that_do_not_fit(weights, said):
    with pytest.raises(UsageError, match=said):
        DataLoader(PAIRS, weights=weights)


@pytest.mark.parametrize("size", [0, -1, 2.5, True])
def test_batch_sizes_that_do_not_fit(size):
    with pytest.raises(UsageError, match="batch_size"):
        DataLoader(PAIRS, size)


def test_state_goes_on_where_it_was_taken():
    whole = DataLoader(PAIRS, 3, shuffle=True)
    expected = targets(whole) + targets(whole)
    loader, found, states = DataLoader(PAIRS, 3, shuffle=True), [], []
    for _ in range(2):
        for batch in loader:
            found += targets([batch])
            states.append(loader.state_dict())
    assert found == expected
    for place, state in enumerate(states):
        again = DataLoader(PAIRS, 3, shuffle=True)
        again.load_state_dict(state)
        rest = targets(again) + targets(again)
        assert rest[: len(expected) - place - 1] == expected[place + 1 :]
    with pytest.raises(UsageError, match="no state of this loader"):
        loader.load_state_dict({"epoch": 0, "batch": 99})


def test_bind():
    loader = DataLoader(PAIRS, 5, shuffle=True, seed=3).bind(["request"])
    assert [row.inputs for row in next(iter(loader))] == [{"request": f"t{place}"} for place in loader.order(0)[:5]]


class Growing(DataLoader):
    """Fewer rows in the first epochs."""

    def __init__(self, dataset, batch_size=1, *, first=3):
        super().__init__(dataset, batch_size)
        self.first = first

    def order(self, epoch):
        return list(range(min(len(self.dataset), self.first * (epoch + 1))))


def test_a_loader_of_ones_own_keeps_its_class_and_its_options():
    loader = Growing(PAIRS, 2, first=4)
    part = loader.only(loader.dataset.take([9, 8, 7, 6, 5])).bind(["question"])
    assert type(part) is Growing
    assert targets(part.epoch(0)) == [[9, 8], [7, 6]]
    assert targets(loader.epoch(0)) == [[0, 1], [2, 3]]
    assert targets(loader.epoch(0, start=3)) == [[2, 3]], "an epoch with fewer batches is counted round"
    assert targets(loader.epoch(1, start=3)) == [[6, 7]]
    assert targets(part) == [[9, 8], [7, 6]]
    assert part.state_dict() == {"epoch": 1, "batch": 0}
    assert loader.state_dict() == {"epoch": 0, "batch": 0}, "a copy has a place of its own"
