"""Many small parameters in one array: pushes, steps and reads say the same as parameters that stand alone."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

import paragrad as pg
from paragrad.rules import SGD, Adam
from paragrad.stores import MemoryStore

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
