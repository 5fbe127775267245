"""Many small parameters in one array: pushes, steps and reads say the same as parameters that stand alone."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import paragrad as pg
from paragrad.rules import SGD, Adam
from paragrad.stores import MemoryStore
from paragrad.stores.flat_live import FlatLive

WIDTHS = (1, 3, 2, 5)
IDS = [f"p{i}" for i in range(len(WIDTHS))]


def made(**options: Any) -> MemoryStore:
    store = MemoryStore(**options)
    for id, width in zip(IDS, WIDTHS, strict=True):
        store.init_parameter(id, np.linspace(-1.0, 1.0, width))
    return store


@pytest.mark.parametrize("rule", [SGD(0.1), SGD(0.1, momentum=0.9), Adam(0.1)])
def test_whoever_is_pushed_between_two_steps_only_those_gradients_count(rule: Any) -> None:
    flat, alone = made(), made(stripes=2)  # with several sums a parameter never lies in a group
    alone._stripes = 2  # also where there is one processor
    optimizers = [pg.init_optimizer(rule, IDS, store) for store in (flat, alone)]
    rng = random.Random(0)
    patterns = [IDS, IDS, IDS[:2], [], IDS, [], [], IDS[1:3], IDS, IDS[3:], IDS[3:]]
    for pushed in patterns:
        for id in pushed:
            for _ in range(rng.randint(1, 2)):
                delta = np.array([rng.gauss(0, 1) for _ in range(WIDTHS[IDS.index(id)])])
                for store in (flat, alone):
                    store.increment_gradient(id, delta)
        for id in IDS:
            assert np.array_equal(flat.get_gradient(id), alone.get_gradient(id))
            assert flat.get_gradient_count(id) == alone.get_gradient_count(id)
        for optimizer in optimizers:
            pg.apply_update(optimizer)
        for id in IDS:
            assert np.allclose(flat.get_parameter_value(id), alone.get_parameter_value(id), rtol=1e-13, atol=0)
            assert not flat.get_gradient(id).any()


def test_a_reset_after_a_step_forgets_what_the_step_used() -> None:
    store = made()
    optimizer = pg.init_optimizer(SGD(1.0), IDS, store)
    for id, width in zip(IDS, WIDTHS, strict=True):
        store.increment_gradient(id, np.ones(width))
    pg.apply_update(optimizer)
    before = {id: store.get_parameter_value(id) for id in IDS}
    store.increment_gradient("p1", np.ones(3))
    store.reset_gradient("p1")
    store.increment_gradient("p2", np.ones(2))
    pg.apply_update(optimizer)
    for id in IDS:
        moved = before[id] - store.get_parameter_value(id)
        assert np.array_equal(moved, np.full(moved.shape, 1.0 if id == "p2" else 0.0))


def test_a_step_refuses_an_infinite_sum_and_takes_large_finite_ones() -> None:
    store = MemoryStore()
    store.init_parameter("small", np.zeros(2, "float32"))
    optimizer = pg.init_optimizer(SGD(1e-38), ["small"], store)
    store.increment_gradient("small", np.full(2, 3e38, "float32"))  # its square is beyond float32, it is not
    pg.apply_update(optimizer)
    assert np.allclose(store.get_parameter_value("small"), -3.0)
    with np.errstate(over="ignore"):
        for _ in range(2):
            store.increment_gradient("small", np.full(2, 3e38, "float32"))
    with pytest.raises(ValueError, match="small"):
        pg.apply_update(optimizer)
    assert np.allclose(store.get_parameter_value("small"), -3.0)


def test_values_of_one_step_are_read_together_or_not_at_all() -> None:
    store = made()
    optimizer = pg.init_optimizer(SGD(0.5), IDS, store)
    assert store.newest_values(IDS, store.commit()) is None
    for id, width in zip(IDS, WIDTHS, strict=True):
        store.increment_gradient(id, np.ones(width))
    pg.apply_update(optimizer)
    step = store.commit()
    version, values = store.newest_values(IDS, step) or (0, [])
    assert version == step
    for id, value in zip(IDS, values, strict=True):
        entry = store.get_entry(id)
        assert entry.version == step
        assert np.array_equal(entry.value, value)
        assert np.array_equal(store.get_entry(id, step).value, store.get_parameter_value(id))
    assert store.newest_values(IDS, step - 1) is None
    store.set_parameter_value("p0", np.array([7.0]))
    assert store.newest_values(IDS, store.commit()) is None
    assert store.get_entry("p0").value[0] == 7.0
    assert store.get_entry("p0", step).version == step


LARGE = 1 << 16


def large(monkeypatch: pytest.MonkeyPatch, dtype: str = "float32") -> tuple[MemoryStore, Any]:
    """Two large members, laid out, which have a second sum also where there is one processor."""
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    store = MemoryStore()
    for id in ("v", "w"):
        store.init_parameter(id, np.zeros(LARGE, dtype))
    optimizer = pg.init_optimizer(SGD(1.0), ["v", "w"], store)
    pg.apply_update(optimizer)
    return store, optimizer


@contextmanager
def adding(store: MemoryStore, id: str) -> Iterator[FlatLive]:
    """As if another thread were adding to the slice."""
    live = store._live[f"g/{id}"]
    assert isinstance(live, FlatLive)
    live.busy = True
    yield live
    live.busy = False


def push(store: MemoryStore, id: str, number: float, **options: Any) -> None:
    store.increment_gradient(id, np.full(LARGE, number), **options)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_comes_while_another_thread_adds_to_a_large_member_counts_as_well(monkeypatch: pytest.MonkeyPatch, dtype: str) -> None:
    store, optimizer = large(monkeypatch, dtype)
    with adding(store, "w") as live:
        push(store, "w", 1.0)
        push(store, "w", 2.0, token="once")  # tokens are told apart at one place
        push(store, "w", 2.0, token="once")
        with pytest.raises(ValueError, match="nan"):
            push(store, "w", float("nan"))
        assert (live.sums[1].count, live.pushes) == (1, 2)
    assert (store.get_gradient("w")[-1], store.get_gradient("w").dtype, store.get_gradient_count("w")) == (3.0, dtype, 2)
    with adding(store, "w"):
        push(store, "w", 4.0)
    lease = store.take_gradients(["w"])
    assert (lease.gradients["w"][0], lease.counts["w"], store.get_gradient_count("w")) == (7.0, 3, 0)
    with adding(store, "w"):
        push(store, "w", 8.0)
    lease.release()
    assert (store.get_gradient("w")[0], store.get_gradient_count("w")) == (15.0, 4)
    with adding(store, "w"), adding(store, "v"):
        push(store, "w", 1.0)
        push(store, "v", 1.0)
    pg.apply_update(optimizer)  # uses all of it up
    assert [store.get_parameter_value(id)[0] for id in ("v", "w")] == [-1.0, -16.0]
    assert [store.get_gradient_count(id) for id in ("v", "w")] == [0, 0]


def test_the_second_sum_of_a_large_member_is_there_whatever_comes_between(monkeypatch: pytest.MonkeyPatch) -> None:
    store, optimizer = large(monkeypatch)
    with adding(store, "w"):
        push(store, "w", 1.0)
        store.set_parameter_value("w", np.ones(LARGE, "float32"))
        push(store, "w", 1.0)
    with pytest.raises(pg.stores.Conflict):
        store.publish({"w": np.zeros(LARGE, "float32")}, expect={"w": 1})
    assert (store.get_gradient("w")[0], store.get_gradient_count("w")) == (2.0, 2)
    with adding(store, "w"):
        push(store, "w", 1.0)
    store.reset_gradient("w")
    assert (store.get_gradient("w").any(), store.get_gradient_count("w")) == (False, 0)
    with adding(store, "w"):
        push(store, "w", 1.0)
    pg.apply_update(optimizer)
    assert store.get_parameter_value("w")[0] == 0.0
    version = store.get_entry("w").version
    with adding(store, "w") as live:
        push(store, "w", 5.0)
        pg.apply_update(pg.init_optimizer(SGD(1.0), ["w"], store))  # laid out anew
        assert live.moved
    assert store.get_parameter_value("w")[0] == -5.0
    push(store, "w", 1.0)
    with adding(store, "w"):
        push(store, "w", 1.0)
        store.rollback("w", version)
        push(store, "w", 1.0)
    assert (store.get_parameter_value("w")[0], store.get_gradient("w")[0], store.get_gradient_count("w")) == (0.0, 3.0, 3)


def test_threads_lose_nothing_to_steps_and_leases_of_large_members(monkeypatch: pytest.MonkeyPatch) -> None:
    store, optimizer = large(monkeypatch, "float64")
    threads = [threading.Thread(target=lambda: [push(store, id, 1.0) for id in ("v", "w") * 60]) for _ in range(4)]
    for thread in threads:
        thread.start()
    steps = 0
    while any(thread.is_alive() for thread in threads):
        pg.apply_update(optimizer)
        store.take_gradients(["v", "w"]).release()
        steps += 1
    pg.apply_update(optimizer)
    assert steps > 0
    for id in ("v", "w"):
        assert np.array_equal(store.get_parameter_value(id), np.full(LARGE, -240.0))
