"""Section G: parameter stores and update rules (G1, G4 to G12, G17), and the reference cases GT1 to GT5."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import paragrad as pg
from paragrad.rules import DecayStepGradientDescent, FixedStepGradientDescent, Prepared, Rule, StoreOptimizer
from paragrad.stores import MemoryStore, SQLiteStore


def foo() -> None:
    """Owns parameters."""


def bar() -> None:
    """Owns others of the same names."""


THETA, PHI = (foo, "theta"), (foo, "phi")


@pytest.fixture(params=["memory:", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return pg.stores.open(request.param if request.param != "sqlite" else f"sqlite:///{tmp_path}/p.db")


def with_two(store: Any) -> Any:
    store.init_parameter(THETA, 1.0)
    store.init_parameter(PHI, np.array([1.0, 2.0]))
    return store


def test_G1_values_live_outside_traces_which_record_the_versions_they_read() -> None:
    store = pg.stores.open("memory:")
    p = pg.Parameter(2.0, name="p", store=store)
    one, two = p * 3, p * 4
    assert one.value + two.value == 14
    read = p.version
    assert read == store.get_entry("p").version
    store.set_parameter_value("p", 5.0)
    assert (one.value, (p * 3).value) == (6.0, 15.0), "a trace keeps what it read"
    with pytest.raises(pg.errors.StaleTrace, match=f"read at version {read}"):
        one.backward()


def test_G4_the_default_store_serves_when_none_is_given() -> None:
    id = "G4.only.here"
    pg.default_parameter_store.init_parameter(id, 1.0)
    pg.default_parameter_store.increment_gradient(id, 2.0)
    pg.apply_update(pg.init_optimizer(FixedStepGradientDescent(0.5), [id]))
    assert pg.default_parameter_store.get_parameter_value(id) == 2.0
    assert pg.default_parameter_context["default"] is pg.default_parameter_store


class Owner:
    """A custom generative function: all it needs is to say where its parameters are."""

    def __init__(self, ids: dict[str, list[Any]]) -> None:
        self.ids = ids

    def parameter_ids(self, context: Any) -> dict[Any, list[Any]]:
        """Store to ids."""
        return {context[key]: ids for key, ids in self.ids.items()}


def test_G5_custom_functions_use_the_same_stores() -> None:
    store = with_two(pg.stores.open("memory:"))
    store.increment_gradient(THETA, 1.0)
    pg.apply_update(pg.init_optimizer(FixedStepGradientDescent(1.0), Owner({"default": [THETA, PHI]}), store))
    assert store.get_parameter_value(THETA) == 2.0


def test_G6_the_same_name_in_two_functions_is_two_parameters(store: Any) -> None:
    store.init_parameter((foo, "theta"), 1.0)
    store.init_parameter((bar, "theta"), 5.0)
    store.increment_gradient((foo, "theta"), 1.0)
    pg.apply_update(pg.init_optimizer(FixedStepGradientDescent(1.0), [(foo, "theta"), (bar, "theta")], store))
    assert (store.get_parameter_value((foo, "theta")), store.get_parameter_value((bar, "theta"))) == (2.0, 5.0)


def test_G7_GT1_an_unknown_id_is_a_key_error_everywhere(store: Any) -> None:
    assert list(store.ids()) == []
    calls: list[Any] = [
        store.get_gradient,
        store.get_parameter_value,
        lambda id: store.increment_gradient(id, 1.0),
        store.reset_gradient,
        lambda id: store.set_parameter_value(id, 1.0),
        lambda id: store.take_gradients([id]),
        lambda id: pg.init_optimizer(FixedStepGradientDescent(0.1), [id], store),
    ]
    for id in (THETA, PHI):
        for call in calls:
            with pytest.raises(KeyError, match=id[1]):
                call(id)
    assert list(store.ids()) == []


def test_G7_GT2_increments_scale_and_reset(store: Any) -> None:
    with_two(store)
    assert store.get_gradient(THETA) == 0.0
    assert store.get_gradient(PHI).tolist() == [0.0, 0.0]
    store.increment_gradient(THETA, 1.1)
    assert store.get_gradient(THETA) == 1.1
    store.increment_gradient(THETA, 1.1, 2.0)
    assert store.get_gradient(THETA) == pytest.approx(1.1 + 2.2)
    store.increment_gradient(PHI, np.array([1.1, 1.2]))
    store.increment_gradient(PHI, np.array([1.1, 1.2]), 2.0)
    assert store.get_gradient(PHI) == pytest.approx([3.3, 3.6])
    for id in (THETA, PHI):
        store.reset_gradient(id)
    store.set_parameter_value(THETA, 2.0)
    store.set_parameter_value(PHI, np.array([2.0, 3.0]))
    assert (store.get_parameter_value(THETA), store.get_gradient(THETA)) == (2.0, 0.0)
    assert (store.get_parameter_value(PHI).tolist(), store.get_gradient(PHI).tolist()) == ([2.0, 3.0], [0.0, 0.0])


@pytest.mark.parametrize("wrong", [np.ones(3), np.ones((2, 1)), 1.0, "one", np.array([1j, 1j])])
def test_G7_a_wrong_increment_is_refused_before_anything_is_written(store: Any, wrong: Any) -> None:
    with_two(store).increment_gradient(PHI, np.array([1.0, 1.0]))
    with pytest.raises((TypeError, ValueError), match="phi"):
        store.increment_gradient(PHI, wrong)
    assert store.get_gradient(PHI).tolist() == [1.0, 1.0]


def test_G17_GT3_a_named_store_never_touches_the_default_one() -> None:
    store = with_two(pg.stores.open("memory:"))
    with pytest.raises(KeyError):
        pg.default_parameter_store.get_parameter_value(THETA)
    pg.apply_update(pg.init_optimizer(FixedStepGradientDescent(0.1), [THETA], store))
    with pytest.raises(KeyError):
        pg.default_parameter_store.get_parameter_value(THETA)


def test_G17_GT4_optimising_some_ids_leaves_the_others_untouched(store: Any) -> None:
    with_two(store)
    store.increment_gradient(THETA, 2.0)
    store.increment_gradient(PHI, np.array([1.0, 3.0]))
    pg.apply_update(pg.init_optimizer(FixedStepGradientDescent(1e-2), [THETA], store))
    assert (store.get_parameter_value(THETA), store.get_gradient(THETA)) == (pytest.approx(1.02), 0.0)
    assert (store.get_parameter_value(PHI).tolist(), store.get_gradient(PHI).tolist()) == ([1.0, 2.0], [1.0, 3.0])
    pg.apply_update(pg.init_optimizer(FixedStepGradientDescent(1e-2), [PHI], store))
    assert store.get_parameter_value(PHI) == pytest.approx([1.01, 2.03])
    assert store.get_gradient(PHI).tolist() == [0.0, 0.0]
    assert store.get_parameter_value(THETA) == pytest.approx(1.02)


def test_G9_GT5_fixed_and_decaying_steps_ascend(store: Any) -> None:
    for name, conf, steps in (
        ("fixed", FixedStepGradientDescent(0.001), {1: 0.001, 2: 0.001}),
        ("decay", DecayStepGradientDescent(0.001, 1000), {1: 0.001, 2: 0.0009990019960080, 1000: 0.0005005}),
    ):
        store.init_parameter(name, 0.0)
        optimizer = pg.init_optimizer(conf, [name], store)
        before = 0.0
        for t in range(1, max(steps) + 1 if name == "fixed" or isinstance(store, MemoryStore) else 3):
            store.increment_gradient(name, 1.0)
            pg.apply_update(optimizer)
            value = store.get_parameter_value(name)
            assert store.get_gradient(name) == 0.0
            if t in steps:
                assert value - before == pytest.approx(steps[t], rel=1e-9)
            before = value
    conf = FixedStepGradientDescent(0.5, maximize=False)
    store.init_parameter("down", 0.0)
    store.increment_gradient("down", 1.0)
    pg.apply_update(pg.init_optimizer(conf, ["down"], store))
    assert store.get_parameter_value("down") == -0.5


@pytest.mark.parametrize("reproducible", [False, True])
@pytest.mark.parametrize("size", [None, 3, 20_000])
def test_G8_nothing_is_lost_while_updates_are_applied(reproducible: bool, size: int | None) -> None:
    """sum(applied) + pending = sum(pushed), with pushes and updates in seven threads."""
    store = MemoryStore(reproducible=reproducible)
    one = 1.0 if size is None else np.ones(size)
    ids = ["a", "b"]
    for id in ids:
        store.init_parameter(id, one * 0)
    optimizer = pg.init_optimizer(FixedStepGradientDescent(1.0), ids, store)
    other = pg.init_optimizer(FixedStepGradientDescent(1.0), ["a"], store)
    pushes, workers = (200 if size is None or size < 100 else 20), 5
    start = threading.Barrier(workers + 2)

    def push() -> None:
        start.wait()
        for n in range(pushes):
            store.increment_gradient(ids[n % 2], one)

    def update(which: Any) -> None:
        start.wait()
        for _ in range(12):
            pg.apply_update(which)

    threads = [threading.Thread(target=push) for _ in range(workers)]
    threads += [threading.Thread(target=update, args=[which]) for which in (optimizer, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for id in ids:
        whole = store.get_parameter_value(id) + store.get_gradient(id)
        assert np.all(whole == workers * pushes / 2)


def push_all(store: Any, parts: list[Any]) -> None:
    """One thread's increments."""
    for part in parts:
        store.increment_gradient("w", part)


def test_G8_one_bit_pattern_in_forty_runs() -> None:
    rng = np.random.default_rng(0)
    parts = [rng.normal(size=50) * 10.0 ** rng.integers(-8, 8) for _ in range(24)]
    found = set()
    for run in range(40):
        store = MemoryStore(reproducible=True)
        store.init_parameter("w", np.zeros(50))
        order = np.random.default_rng(run).permutation(4)
        threads = [threading.Thread(target=push_all, args=(store, parts[k::4])) for k in order]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        pg.apply_update(pg.init_optimizer(FixedStepGradientDescent(0.1), ["w"], store))
        found.add(store.get_parameter_value("w").tobytes())
    assert len(found) == 1


def composite(tmp_path: Path) -> tuple[Any, Any, Any]:
    """One optimizer over a memory store and a file."""
    memory, disk = pg.stores.open("memory:"), SQLiteStore(f"sqlite:///{tmp_path}/p.db")
    memory.init_parameter("m", 1.0)
    disk.init_parameter("d", np.ones(2))
    owner = Owner({"memory": ["m"], "disk": ["d"]})
    optimizer = pg.init_optimizer(DecayStepGradientDescent(1.0, 1.0), owner, {"memory": memory, "disk": disk})
    memory.increment_gradient("m", 1.0)
    disk.increment_gradient("d", np.array([1.0, 2.0]))
    return memory, disk, optimizer


def test_G10_one_optimizer_per_store(tmp_path: Path) -> None:
    memory, disk, optimizer = composite(tmp_path)
    assert len(optimizer.parts) == 2
    pg.apply_update(optimizer)
    assert memory.get_parameter_value("m") == 2.0
    assert disk.get_parameter_value("d").tolist() == [2.0, 3.0]
    assert (memory.get_gradient("m"), disk.get_gradient("d").tolist()) == (0.0, [0.0, 0.0])


@pytest.mark.parametrize("place", ["_stage", "take_gradients", "state"])
def test_G10_a_failing_store_leaves_everything_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    memory, disk, optimizer = composite(tmp_path)
    names = [part.state_name for part in optimizer.parts]

    def fail(*_: Any) -> None:
        raise pg.errors.StoreError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(disk, place, fail)
        with pytest.raises(pg.errors.StoreError, match="disk is full"):
            pg.apply_update(optimizer)
    assert (memory.get_parameter_value("m"), disk.get_parameter_value("d").tolist()) == (1.0, [1.0, 1.0])
    assert (memory.get_gradient("m"), disk.get_gradient("d").tolist()) == (1.0, [1.0, 2.0])
    assert [memory.state(names[0]), disk.state(names[1])] == [None, None]
    pg.apply_update(optimizer)
    assert (memory.get_parameter_value("m"), disk.get_parameter_value("d").tolist()) == (2.0, [2.0, 3.0])


def test_G10_opening_a_store_finishes_or_undoes_what_a_dead_process_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory, disk, optimizer = composite(tmp_path)

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(disk, "_decide", die)
    monkeypatch.setattr(disk, "_finish", die)
    with pytest.raises(KeyboardInterrupt):
        pg.apply_update(optimizer)
    monkeypatch.undo()
    monkeypatch.setattr("paragrad.stores.staging.gone", lambda record: True)
    memory.recover()
    again = pg.stores.open(f"sqlite:///{tmp_path}/p.db")
    assert (memory.get_parameter_value("m"), again.get_parameter_value("d").tolist()) == (1.0, [1.0, 1.0])
    assert (memory.get_gradient("m"), again.get_gradient("d").tolist()) == (1.0, [1.0, 2.0])


class Half(Rule):
    """A rule of its own kind: no dataclass, no step for the general way."""

    def state_name(self, ids: Any) -> str:
        """One name for all."""
        return "half"


class Drawer(MemoryStore):
    """A store of its own kind."""


def test_G11_a_new_rule_on_a_new_store_takes_two_methods() -> None:
    @pg.implements(Half, Drawer)
    class HalfInDrawer:
        def __init__(self, conf: Half, ids: Any, store: Drawer) -> None:
            self.ids, self.store = ids, store

        def prepare(self) -> Prepared:
            lease = self.store.take_gradients(self.ids)
            values = {id: self.store.get_parameter_value(id) / 2 for id in self.ids}
            return Prepared(self.store, values, consume=lease)

    drawer, other = Drawer(), pg.stores.open("memory:")
    drawer.init_parameter("x", 8.0)
    other.init_parameter("y", 1.0)
    optimizer = pg.init_optimizer(Half(), ["x"], drawer)
    assert isinstance(optimizer.parts[0], HalfInDrawer)
    pg.apply_update(optimizer)
    assert drawer.get_parameter_value("x") == 4.0
    assert isinstance(pg.init_optimizer(FixedStepGradientDescent(1.0), ["x"], drawer).parts[0], StoreOptimizer)
    assert isinstance(pg.init_optimizer(Half(), ["y"], other).parts[0], StoreOptimizer)


def test_G12_a_resumed_decay_continues_at_its_t(tmp_path: Path) -> None:
    conf = DecayStepGradientDescent(1.0, 1.0)
    url = f"sqlite:///{tmp_path}/p.db"
    pg.stores.open(url).init_parameter("w", 0.0)
    for t in range(1, 5):
        store = pg.stores.open(url)
        before = store.get_parameter_value("w")
        store.increment_gradient("w", 1.0)
        pg.apply_update(pg.init_optimizer(conf, ["w"], store))
        assert store.get_parameter_value("w") - before == pytest.approx(2 / (1 + t))
        store.close()
