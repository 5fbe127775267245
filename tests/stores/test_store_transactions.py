"""publish_all over several stores: all or none, wherever it stops."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest

from paragrad import stores
from paragrad.errors import Conflict, StoreError, UsageError
from paragrad.stores import publish_all
from paragrad.stores.memory import MemoryStore
from paragrad.stores.staging import Staging


class Killed(BaseException):
    """Stands for the end of the process."""


def two(folder: Path) -> tuple[Any, Any]:
    found = tuple(stores.open(f"sqlite:///{folder / name}.db") for name in ("a", "b"))
    for store in found:
        if not store.ids():
            store.init_parameter("x", 0.0)
            store.init_parameter("w", numpy.zeros(2))
    return found[0], found[1]


def death_before(monkeypatch: pytest.MonkeyPatch, name: str, call: int) -> None:
    """The process ends when ``name`` is called for the ``call``-th time; nothing of it runs afterwards."""
    counted = {"n": 0}
    original: Callable[..., Any] = getattr(Staging, name)

    def dying(self: Staging, *args: Any, **options: Any) -> Any:
        counted["n"] += 1
        if counted["n"] >= call:
            raise Killed
        return original(self, *args, **options)

    monkeypatch.setattr(Staging, name, dying)


POINTS = [("_stage", 1), ("_stage", 2), ("_decide", 1), ("_finish", 1), ("_finish", 2), ("_decide", 2)]


@pytest.mark.parametrize(("name", "call"), POINTS)
def test_death_at_every_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, call: int) -> None:
    a, b = two(tmp_path)
    a.increment_gradient("x", 5.0)
    lease = a.take_gradients(["x"])
    with monkeypatch.context() as patch:
        death_before(patch, name, call)
        patch.setattr("paragrad.stores.transactions._undo", lambda *_: None)
        with pytest.raises(Killed):
            publish_all([(a, {"x": 5.0}, {"x": 1}, {"t": 1}, lease), (b, {"x": 7.0, "w": numpy.ones(2)})])
    a.close()
    b.close()
    monkeypatch.setattr("paragrad.stores.staging.gone", lambda record: True)
    b, a = stores.open(f"sqlite:///{tmp_path / 'b.db'}"), stores.open(f"sqlite:///{tmp_path / 'a.db'}")
    happened = name == "_finish" or (name, call) == ("_decide", 2)
    assert a.get_parameter_value("x") == (5.0 if happened else 0.0)
    assert b.get_parameter_value("x") == (7.0 if happened else 0.0)
    assert b.get_parameter_value("w").tolist() == ([1.0, 1.0] if happened else [0.0, 0.0])
    assert a.state("t") == (1 if happened else None)
    if not happened:
        assert a._open_leases() == {} or a.get_gradient("x") == 0.0
        monkeypatch.setattr("paragrad.stores.gradients.gone", lambda record: True)
        assert a.get_gradient("x") == 5.0
    else:
        assert a.get_gradient("x") == 0.0
    for store in (a, b):
        assert not store._head().staged
        store.set_parameter_value("x", 9.0)


def test_held_ids_wait_and_others_go_on(tmp_path: Path) -> None:
    a, _ = two(tmp_path)
    other = MemoryStore()
    a._stage("t1", a._plan({"x": 1.0}, None, None, None, None), a)
    a.set_parameter_value("w", numpy.ones(2))
    a.retry_seconds = 0.05
    with pytest.raises(stores.Conflict, match="transaction"):
        a.set_parameter_value("x", 3.0)
    other.init_parameter("x", 0.0)
    with pytest.raises(stores.Conflict, match="transaction"):
        publish_all([(other, {"x": 1.0}), (a, {"x": 2.0})])
    assert other.get_parameter_value("x") == 0.0
    assert a._finish("t1", True)
    assert a.get_parameter_value("x") == 1.0


def test_coordinator_is_durable_where_one_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a, _ = two(tmp_path)
    memory = MemoryStore()
    memory.init_parameter("x", 0.0)
    with monkeypatch.context() as patch:
        death_before(patch, "_finish", 1)
        patch.setattr("paragrad.stores.transactions._undo", lambda *_: None)
        with pytest.raises(Killed):
            publish_all([(memory, {"x": 1.0}), (a, {"x": 2.0})])
    assert memory.recover() == 1
    assert a.recover() == 1
    assert (memory.get_parameter_value("x"), a.get_parameter_value("x")) == (1.0, 2.0)


def test_memory_only_transactions_recover_too(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = MemoryStore(), MemoryStore()
    for store in (one, two):
        store.init_parameter("x", 0.0)
    with monkeypatch.context() as patch:
        death_before(patch, "_finish", 2)
        patch.setattr("paragrad.stores.transactions._undo", lambda *_: None)
        with pytest.raises(Killed):
            publish_all([(one, {"x": 1.0}), (two, {"x": 2.0})])
    two.set_parameter_value("x", 3.0)
    assert [entry.value for entry in two.history("x")] == [0.0, 2.0, 3.0]


def test_same_store_twice_and_foreign_leases(tmp_path: Path) -> None:
    a, b = two(tmp_path)
    with pytest.raises(UsageError, match="twice"):
        publish_all([(a, {"x": 1.0}), (a, {"w": numpy.ones(2)})])
    with pytest.raises(UsageError, match="lease"):
        publish_all([(a, {"x": 1.0}, None, None, b.take_gradients(["x"])), (b, {"x": 1.0})])
    with pytest.raises(UsageError, match="take part"):
        publish_all([(a, {"x": 1.0}), (object(), {})])
    assert a.get_parameter_value("x") == 0.0


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    a, b = two(tmp_path)
    before = [sorted(store.keys("")) for store in (a, b)]
    for n in range(3):
        publish_all([(a, {"x": float(n)}), (b, {"x": float(n)})])
    assert [sorted(store.keys("")) for store in (a, b)] == before
    assert publish_all([(a, {"x": 9.0})]) == [a.commit()]


class Failing(MemoryStore):
    """A store whose server goes away before its change number ``at``, for good or for that one change."""

    at = 0
    forever = False

    def _change(self, *args: Any, **options: Any) -> Any:
        self.at -= 1
        if self.at == 0 or (self.forever and self.at < 0):
            raise StoreError("the server is gone")
        return super()._change(*args, **options)


def test_a_store_that_fails_after_the_decision_finishes_its_part_later() -> None:
    first, second, third = MemoryStore(), Failing(), MemoryStore()
    for store in (first, second, third):
        store.init_parameter("w", 1.0)
        store.increment_gradient("w", 2.0)
    second.at = 3  # lease, stage, commit
    leases = [store.take_gradients(["w"]) for store in (first, second, third)]
    parts = [(store, {"w": 3.0}, None, None, lease) for store, lease in zip((first, second, third), leases, strict=True)]
    with pytest.raises(StoreError, match=r"after the transaction over 3 stores was decided .* it holds: do not repeat it") as caught:
        publish_all(parts)
    assert not isinstance(caught.value, Conflict)  # which would be tried again
    assert (first.get_parameter_value("w"), third.get_parameter_value("w")) == (3.0, 3.0)
    assert second.recover() == 1
    assert (second.get_parameter_value("w"), second.get_gradient("w")) == (3.0, 0.0)
    second.set_parameter_value("w", 4.0)  # nothing is held any more


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_coordinator_that_goes_away_while_it_stages_leaves_the_others_free(order: tuple[int, int]) -> None:
    stores = MemoryStore(), Failing()
    for store in stores:
        store.init_parameter("w", 1.0)
        store.increment_gradient("w", 2.0)
    good, bad = stores
    bad.durable = True  # so it coordinates
    leases = [store.take_gradients(["w"]) for store in stores]
    bad.at, bad.forever = 1, True
    with pytest.raises(StoreError, match="the server is gone"):
        publish_all([(stores[place], {"w": 3.0}, None, None, leases[place]) for place in order])
    leases[0].release()
    assert (good.get_parameter_value("w"), good.get_gradient("w")) == (1.0, 2.0)
    good.set_parameter_value("w", 5.0)  # its id is not held
