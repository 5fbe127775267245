"""What goes wrong between processes: different programs, a process that is killed, late or missing; and the layout of flat buffers."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

import paragrad as pg
from paragrad.distributed.agreement import difference, form
from paragrad.distributed.flat import Buckets
from paragrad.errors import UsageError
from tests.distributed.running import processes


@pytest.fixture(scope="module")
def failures() -> list[Any]:
    """What two processes saw go wrong."""
    pytest.importorskip("torch")
    return processes("failures")


def test_a_process_that_never_comes(failures: list[Any]) -> None:
    assert failures[0]["missing"]["type"] == "Outage"
    assert "joining" in failures[0]["missing"]["error"]


def test_different_programs_are_found_before_anything_is_sent(failures: list[Any]) -> None:
    first, second = (told["differ"] for told in failures)
    assert first == second
    assert first["type"] == "UsageError"
    assert "'w' tensor of shape (2, 3)" in first["error"]
    assert "process 1 has 'w' tensor of shape (3, 2)" in first["error"]


def test_a_late_process_is_an_outage_after_the_timeout(failures: list[Any]) -> None:
    assert failures[0]["stalled"]["type"] == failures[1]["stalled"]["type"] == "Outage"
    assert "within 2 s" in failures[0]["stalled"]["error"]


def test_a_process_killed_in_a_collective_is_one_clear_error_elsewhere(failures: list[Any]) -> None:
    assert "killed" not in failures[1]
    found = failures[0]["killed"]
    assert "average of the gradients of 25 Parameters failed on process 0 of 2" in found["error"]
    assert "start all processes again" in found["error"]
    assert found["grad"] == 2.0
    assert found["values"]["prompt"] == "prompt of 0"


def test_differences_are_told_in_words() -> None:
    a: Any = [form(pg.Parameter("x", name="a")), form(pg.Parameter(1.0, name="b"))]
    assert "only one has 'b' number float" in difference([a, a[:1]])
    assert "not trained" in difference([a, [form(pg.Parameter("x", name="a", requires_grad=False)), a[1]]])
    assert difference([a, a]) == "another order"


def test_flat_buffers_hold_small_arrays_together_and_large_ones_alone() -> None:
    buckets = Buckets([3, 100, 2, 5], ["float32", "float32", "float64", "float32"], limit=64)
    for i in range(4):
        buckets.part(i)[:] = i
    assert [b.dtype.name for b in buckets.buffers] == ["float32", "float32", "float64", "float32"]
    assert [b.size for b in buckets.buffers] == [3, 100, 2, 5]
    assert Buckets([3, 2, 5], ["float32"] * 3).buffers[0].size == 10
    assert np.array_equal(buckets.part(3), np.full(5, 3))


def test_unnamed_parameters_are_told_apart_by_their_place() -> None:
    assert form(pg.Parameter(np.ones(2))) == form(pg.Parameter(np.zeros(2)))
    assert form(pg.Parameter(1.0)) != form(pg.Parameter(1.0, name="p"))


def test_what_is_no_parameter_and_no_rank_is_refused_at_once() -> None:
    pytest.importorskip("torch")
    from paragrad.distributed import average, data_parallel

    with pytest.raises(TypeError, match="element 1 is 3 of type int"):
        average([pg.Parameter(1.0), 3])
    with pytest.raises(UsageError, match="rank=2 of size=2"), data_parallel([pg.Parameter(1.0)], rank=2, size=2):
        pass


def test_without_a_group_or_torch_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    from paragrad.distributed import average, data_parallel

    with pytest.raises(UsageError, match="data_parallel"):
        average([pg.Parameter(1.0)])
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(UsageError, match="torchrun"), data_parallel([pg.Parameter(1.0)], timeout=2):
        pass
    monkeypatch.setitem(sys.modules, "torch.distributed", None)
    with pytest.raises(UsageError, match=r"paragrad\[torch\]"):
        average([pg.Parameter(1.0)])


@pytest.fixture
def second_of_three() -> Any:
    """A group of three processes that never speak (torch's fake backend), seen from process 1."""
    torch = pytest.importorskip("torch")
    from torch.testing._internal.distributed.fake_pg import FakeStore

    torch.distributed.init_process_group("fake", store=FakeStore(), rank=1, world_size=3)
    yield torch
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize(("shape", "dim"), [((7, 2), 0), ((2, 7), 1), ((1, 2), 0)])
def test_parts_are_cut_as_dtensor_cuts_them(second_of_three: Any, shape: tuple[int, ...], dim: int) -> None:
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import Replicate, Shard, distribute_tensor

    from paragrad.distributed import dtensor, shard

    whole = np.arange(float(np.prod(shape))).reshape(shape)
    theirs = (
        distribute_tensor(second_of_three.from_numpy(whole), init_device_mesh("cpu", (3,)), [Shard(dim)], src_data_rank=None)
        .to_local()
        .numpy()
    )
    parameter: Any = pg.Parameter(whole, name="w")
    assert shard(parameter, Replicate()).value.shape == shape
    assert np.array_equal(shard(parameter, Shard(dim)).value, theirs)
    assert parameter.sliced
    assert dtensor(parameter, dim).placements == (Shard(dim),)
    lazy: Any = pg.Parameter(pg.initializer("normal", shape, "float64", seed=1), name="w")
    assert np.array_equal(
        shard(lazy, dim).value, shard(pg.Parameter(pg.initializer("normal", shape, "float64", seed=1).materialize()), dim).value
    )
    with pytest.raises(UsageError, match="placement"):
        shard(parameter, "rows")
    with pytest.raises(UsageError, match="only tensors"):
        shard(pg.Parameter("text", name="t"))
