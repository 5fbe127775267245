"""Section M, several processes (M10): what is broadcast, what is averaged, what stays each process's own."""

from __future__ import annotations

from typing import Any

import pytest

from tests.distributed.running import processes

pytest.importorskip("torch")


@pytest.fixture(scope="module")
def both() -> list[Any]:
    """A data-parallel step, and slices, in two real processes (gloo on loopback)."""
    return processes("working")


@pytest.fixture(scope="module")
def trained(both: list[Any]) -> list[Any]:
    """What the step gave in each process."""
    return [told["train"] for told in both]


def test_M10_values_are_broadcast_at_start_except_layerwise_parallel(trained: list[Any]) -> None:
    first, second = trained
    assert first["started"]["own"] == [0.0, 0.0]
    assert second["started"]["own"] == [1.0, 1.0]
    for name, value in first["started"].items():
        assert name == "own" or second["started"][name] == value
    assert second["started"]["prompt"] == "prompt of 0"
    assert first["written"] == []
    assert "own" not in second["written"]
    assert "unused" not in second["written"]


def test_M10_gradients_are_averaged_at_each_step_except_layerwise_parallel(trained: list[Any]) -> None:
    first, second = trained
    assert (first["rows"], second["rows"]) == ([1.0, 3.0], [2.0, 4.0])
    assert first["before"]["weight"][0] == [4.0, 4.0, 4.0]
    assert second["before"]["weight"][0] == [6.0, 6.0, 6.0]
    assert first["after"]["weight"] == second["after"]["weight"] == [[5.0, 5.0, 5.0], [0.0, 0.0, 0.0]]
    assert (first["after"]["own"], second["after"]["own"]) == ([4.0, 0.0], [6.0, 0.0])
    assert first["after"]["unused"] is None
    assert first["after"]["small.7"] == [2.0, 0.0, 0.0]


def test_M10_small_gradients_travel_in_one_buffer_per_element_type(trained: list[Any]) -> None:
    assert all(told["reductions"] == ["average of 23 gradients"] * 2 for told in trained)


def test_M10_sliced_data_are_never_sharded_again(both: list[Any]) -> None:
    first, second = (told["slices"] for told in both)
    assert first["part"] == [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
    assert second["part"] == [[6.0, 7.0], [8.0, 9.0]]
    for told in (first, second):
        assert told["again"] == told["part"]
        assert told["sliced"] is True
        assert told["whole"] == [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0], [6.0, 7.0], [8.0, 9.0]]
        assert told["grad"][0] == [1.0, 1.0]
