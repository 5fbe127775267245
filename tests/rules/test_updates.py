"""``init_optimizer`` and ``apply_update``: what they take, what they refuse, what they leave behind."""

from __future__ import annotations

import gc
import threading
import tracemalloc
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import paragrad as pg
from paragrad.errors import Conflict, NothingToTrain, UsageError
from paragrad.rules import SGD, Adam, FixedStepGradientDescent, Rule
from paragrad.stores import KeyValueStore, MemoryStore

UP = FixedStepGradientDescent(1.0)


def memory(**values: Any) -> Any:
    """A store with these parameters."""
    store = pg.stores.open("memory:")
    for id, value in values.items():
        store.init_parameter(id, *((value.value, value.space) if isinstance(value, pg.Parameter) else (value,)))
    return store


class Dict(KeyValueStore):
    """A store from the three primitives: no fast way of its own."""

    def __init__(self, url: str = "dict:") -> None:
        self.held: dict[str, tuple[bytes, int]] = {}

    def read(self, keys: Any) -> Any:
        """Bytes and token."""
        return {key: self.held[key] for key in keys if key in self.held}

    def write(self, values: Any, expect: Any) -> None:
        """Compare and set."""
        if any(self.held.get(key, (b"", 0))[1] != token for key, token in expect.items()):
            raise Conflict("changed")
        for key, value in values.items():
            self.held[key] = (value, self.held.get(key, (b"", 0))[1] + 1)

    def keys(self, prefix: str) -> Any:
        """Known keys."""
        return [key for key in self.held if key.startswith(prefix)]


@pytest.mark.parametrize("made", [MemoryStore, Dict, lambda: MemoryStore(reproducible=True)], ids=["flat", "plain", "reproducible"])
def test_a_gradient_that_is_not_finite_refuses_the_step_and_is_kept(made: Any) -> None:
    store = made()
    store.init_parameter("good", 1.0)
    store.init_parameter("bad", np.ones(3))
    optimizer = pg.init_optimizer(Adam(0.1), ["good", "bad"], store)
    store.increment_gradient("good", 1.0)
    with np.errstate(over="ignore"):
        for _ in range(2):  # each is finite, their sum is not
            store.increment_gradient("bad", np.array([1.0, 1e308, 1.0]))
        with pytest.raises(ValueError, match="gradient of 'bad' is nan or infinite"):
            pg.apply_update(optimizer)
    assert (store.get_parameter_value("good"), store.get_parameter_value("bad").tolist()) == (1.0, [1.0, 1.0, 1.0])
    assert store.get_gradient("good") == 1.0
    assert not np.isfinite(store.get_gradient("bad")[1])
    assert store.state(optimizer.parts[0].state_name) is None
    store.reset_gradient("bad")
    pg.apply_update(optimizer)
    assert store.get_parameter_value("good") != 1.0


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("made", [MemoryStore, Dict, lambda: MemoryStore(reproducible=True)], ids=["flat", "plain", "reproducible"])
def test_a_bad_push_is_refused_and_the_step_is_made_of_the_good_ones(made: Any, bad: float) -> None:
    store = made()
    store.init_parameter("w", np.ones(3))
    optimizer = pg.init_optimizer(UP, ["w"], store)
    store.increment_gradient("w", np.ones(3))
    with pytest.raises(ValueError, match="the gradient of 'w' is nan, infinite"):
        store.increment_gradient("w", np.array([1.0, bad, 1.0]))
    store.increment_gradient("w", np.array([0.0, 2.0, 0.0]))
    assert store.get_gradient("w").tolist() == [1.0, 3.0, 1.0]
    pg.apply_update(optimizer)
    assert store.get_gradient_count("w") == 0


def test_a_huge_but_finite_gradient_is_applied() -> None:
    store = memory(w=np.zeros(2, "float32"))
    store.increment_gradient("w", np.full(2, 1e30, "float32"))
    pg.apply_update(pg.init_optimizer(UP, ["w"], store))
    assert store.get_parameter_value("w").tolist() == np.full(2, 1e30, "float32").tolist()


@pytest.mark.parametrize(
    ("values", "ids", "error", "words"),
    [
        ({"t": "text"}, ["t"], TypeError, "'t' holds a str"),
        ({"i": np.array([1, 2])}, ["i"], TypeError, "'i' holds int64.*astype"),
        ({"b": True}, ["b"], TypeError, "'b' holds a bool"),
        ({"n": pg.Parameter(3, space=pg.Number(integer=True))}, ["n"], TypeError, "'n' holds whole numbers.*pg.Number"),
        ({"a": 1.0}, ["a", "a"], UsageError, "'a' is given twice"),
        ({"a": 1.0}, ["a", "x"], KeyError, "'x'"),
        ({}, [], NothingToTrain, "no ids were given"),
        ({"a": 1.0}, 7, UsageError, "no generative function"),
    ],
)
def test_wrong_ids_are_refused_when_the_optimizer_is_made(values: Any, ids: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        pg.init_optimizer(UP, ids, memory(**values))


def test_what_is_no_rule_no_context_and_no_optimizer() -> None:
    store = memory(a=1.0)
    with pytest.raises(UsageError, match="no update rule"):
        pg.init_optimizer(0.1, ["a"], store)
    with pytest.raises(UsageError, match="no store and no context"):
        pg.init_optimizer(UP, ["a"], 7)
    with pytest.raises(UsageError, match="belong to no store"):
        pg.init_optimizer(UP, ["a"], {"x": store, "y": memory()})
    with pytest.raises(UsageError, match="init_optimizer gave"):
        pg.apply_update(UP)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="lives in no store"):
        pg.init_optimizer(UP, [pg.Parameter(1.0)])
    with pytest.raises(UsageError, match="no prepare"):
        pg.implements(SGD, MemoryStore)(object)


def test_parameters_bring_what_backward_left_at_them(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/p.db"
    a, b = pg.Parameter(2.0, name="a", store=url), pg.Parameter(3.0, name="b", store=memory())
    optimizer = pg.init_optimizer(SGD(0.1), [a, b])
    (a * a + b * 2).backward()
    pg.apply_update(optimizer)
    assert (a.value, b.value) == (pytest.approx(1.6), pytest.approx(2.8))
    assert len(a.grad) == 0
    pg.apply_update(optimizer)
    assert a.value == pytest.approx(1.6)


def test_an_optimizer_of_the_shell_stands_for_its_rule() -> None:
    store = memory(a=1.0)
    store.increment_gradient("a", 1.0)
    pg.apply_update(pg.init_optimizer(pg.optimizers.SGD(lr=0.25), "a", store))
    assert store.get_parameter_value("a") == 0.75


@pytest.mark.parametrize("made", [MemoryStore, Dict], ids=["flat", "plain"])
def test_bounds_hold(made: Any) -> None:
    store = made()
    store.init_parameter("n", 0.5, pg.Number(low=0, high=1))
    store.init_parameter("t", np.array([0.5, 0.5]), pg.Tensor(low=[0.0, -9.0]))
    store.init_parameter("free", np.zeros(2))
    for id, delta in (("n", 7.0), ("t", np.array([-5.0, -5.0])), ("free", np.ones(2))):
        store.increment_gradient(id, delta)
    pg.apply_update(pg.init_optimizer(UP, ["n", "t", "free"], store))
    assert store.get_parameter_value("n") == 1.0
    assert store.get_parameter_value("t").tolist() == [0.0, -4.5]
    assert store.get_parameter_value("free").tolist() == [1.0, 1.0]


@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
@pytest.mark.parametrize("made", [MemoryStore, Dict], ids=["flat", "plain"])
def test_values_keep_their_type_and_shape(made: Any, kind: str) -> None:
    store = made()
    store.init_parameter("w", np.ones((2, 1, 3), kind))
    optimizer = pg.init_optimizer(Adam(0.5), ["w"], store)
    for _ in range(2):
        store.increment_gradient("w", np.ones((2, 1, 3), kind))
        pg.apply_update(optimizer)
    value = store.get_parameter_value("w")
    assert (value.dtype, value.shape, value.flags.writeable) == (kind, (2, 1, 3), False)
    assert np.all(value < 0.6)


def test_a_lost_race_is_retried_on_the_new_values(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Dict()
    store.init_parameter("w", 1.0)
    store.increment_gradient("w", 1.0)
    optimizer = pg.init_optimizer(UP, ["w"], store)
    real, seen = store.state, []

    def slow(name: str) -> Any:
        if not seen:
            seen.append(store.set_parameter_value("w", 10.0))
        return real(name)

    monkeypatch.setattr(store, "state", slow)
    pg.apply_update(optimizer)
    assert (store.get_parameter_value("w"), store.get_gradient("w")) == (11.0, 0.0)


@pytest.mark.parametrize("made", [MemoryStore, Dict], ids=["flat", "plain"])
def test_a_rule_that_fails_leaves_everything(made: Any) -> None:
    store = made()

    class Broken(Rule):
        def state_name(self, ids: Any) -> str:
            return "broken"

        def step(self, values: Any, gradients: Any, state: Any) -> Any:
            raise ZeroDivisionError

    store.init_parameter("w", 1.0)
    store.increment_gradient("w", 2.0)
    with pytest.raises(ZeroDivisionError):
        pg.apply_update(pg.init_optimizer(Broken(), ["w"], store))
    assert (store.get_parameter_value("w"), store.get_gradient("w")) == (1.0, 2.0)


class TestFlatGroups:
    """What a memory store must not forget although it steps whole groups."""

    def test_single_writes_between_steps_count(self) -> None:
        store = memory(a=1.0, b=np.ones(2), c=np.ones(2, "float32"))
        optimizer = pg.init_optimizer(UP, ["a", "b", "c"], store)
        pg.apply_update(optimizer)
        first = store.get_entry("b").version
        store.set_parameter_value("a", 5.0)
        assert (store.get_parameter_value("a"), store.get_entry("b").version) == (5.0, first)
        with pytest.raises(Conflict):
            store.set_parameter_value("b", np.zeros(2), expect=first - 1)
        store.increment_gradient("a", 1.0)
        pg.apply_update(optimizer)
        assert (store.get_parameter_value("a"), store.get_parameter_value("b").tolist()) == (6.0, [1.0, 1.0])
        assert [entry.value for entry in store.history("a")] == [1.0, 1.0, 5.0, 6.0]
        assert store.get_parameter_value("a", first) == 1.0
        assert store.rollback("a", first) > first
        assert store.get_parameter_value("a") == 1.0

    def test_a_new_shape_or_space_leaves_the_group(self) -> None:
        store = memory(a=1.0, b=np.ones(2))
        optimizer = pg.init_optimizer(SGD(1.0, momentum=0.5, maximize=True), ["a", "b"], store)
        for _ in range(2):
            store.increment_gradient("a", 1.0)
            pg.apply_update(optimizer)
        store.increment_gradient("a", 0.25)
        store.init_parameter("b", np.ones(3))
        assert (store.get_parameter_value("a"), store.get_gradient("a")) == (3.5, 0.25)
        pg.apply_update(optimizer)
        assert store.get_parameter_value("a") == 3.5 + 0.25 + 0.5 * 1.5, "the velocity was kept"
        assert store.get_parameter_value("b").shape == (3,)

    def test_old_steps_are_dropped_and_say_so_and_releases_stay(self) -> None:
        store = memory(a=0.0, b=np.zeros(2))
        optimizer = pg.init_optimizer(UP, ["a", "b"], store)
        pg.apply_update(optimizer)
        release = store.release("r")
        held = store.get_entry("a").version
        for _ in range(50):
            store.increment_gradient("a", 1.0)
            pg.apply_update(optimizer)
        assert len(store.history("a")) < 40
        with pytest.raises(KeyError, match="no longer held"):
            store.get_entry("a", held + 5)
        assert store.resolve_release(release).entry("a").value == 0.0
        assert store.get_parameter_value("a", held) == 0.0
        assert store.get_entry("a", store.commit() - 3).value == 47.0

    def test_memory_does_not_grow_with_steps(self) -> None:
        store = memory(**{f"p{i}": np.zeros(64) for i in range(50)})
        optimizer = pg.init_optimizer(Adam(0.1), [f"p{i}" for i in range(50)], store)
        tracemalloc.start()
        for _ in range(80):
            pg.apply_update(optimizer)
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(300):
            pg.apply_update(optimizer)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        assert grown < 3 * 50 * 64 * 8 + 2000, "less than the three arrays that a step makes"

    def test_two_optimizers_over_some_of_the_same(self) -> None:
        store = memory(a=0.0, b=0.0, c=0.0)
        one, two = pg.init_optimizer(UP, ["a", "b"], store), pg.init_optimizer(UP, ["b", "c"], store)
        for _ in range(3):
            for id in "abc":
                store.increment_gradient(id, 1.0)
            pg.apply_update(one)
            store.increment_gradient("b", 1.0)
            pg.apply_update(two)
        assert [store.get_parameter_value(id) for id in "abc"] == [3.0, 6.0, 3.0]

    def test_the_fast_and_the_general_way_share_state(self) -> None:
        conf = SGD(1.0, momentum=0.5, maximize=True)
        store = memory(a=0.0, b=np.zeros(2))
        optimizer = pg.init_optimizer(conf, ["a", "b"], store)
        for way in (True, False, True, False):
            store.increment_gradient("a", 1.0)
            if way:
                pg.apply_update(optimizer)
            else:
                part = optimizer.parts[0].prepare()
                store.publish(part.values, part.expect, part.state, part.consume)
        assert store.get_parameter_value("a") == 1.0 + 1.5 + 1.75 + 1.875

    def test_a_lease_and_a_transaction_see_the_group(self, tmp_path: Path) -> None:
        store, other = memory(a=0.0, b=0.0), pg.stores.open(f"sqlite:///{tmp_path}/p.db")
        other.init_parameter("d", 0.0)
        optimizer = pg.init_optimizer(UP, ["a", "b"], store)
        pg.apply_update(optimizer)
        store.increment_gradient("a", 2.0)
        with store.take_gradients(["a", "b"]) as lease:
            assert lease.gradients == {"a": 2.0, "b": 0.0}
            assert store.get_gradient("a") == 0.0
        assert (store.get_gradient("a"), store.get_gradient_count("a")) == (2.0, 1)
        pg.stores.publish_all([(store, {"a": 7.0}), (other, {"d": 1.0})])
        pg.apply_update(optimizer)
        assert store.get_parameter_value("a") == 9.0

    def test_a_token_counts_once_also_when_its_parameter_joins_a_group(self) -> None:
        store = memory(a=0.0)
        store.increment_gradient("a", 1.0, token="one")
        optimizer = pg.init_optimizer(UP, ["a"], store)
        pg.apply_update(optimizer)
        store.increment_gradient("a", 1.0, token="one")
        store.increment_gradient("a", 1.0, token="two")
        pg.apply_update(optimizer)
        assert store.get_parameter_value("a") == 2.0


def test_per_thread_sums_are_folded(tmp_path: Path) -> None:
    store = MemoryStore(stripes=4)
    store.init_parameter("w", np.zeros(3))
    for _ in range(5):
        store.increment_gradient("w", np.ones(3))
    pg.apply_update(pg.init_optimizer(UP, ["w"], store))
    assert store.get_parameter_value("w").tolist() == [5.0, 5.0, 5.0]


def test_readers_never_see_half_a_step() -> None:
    store = memory(a=np.zeros(2000), b=0.0)
    optimizer = pg.init_optimizer(UP, ["a", "b"], store)
    pg.apply_update(optimizer)
    wrong: list[Any] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            commit = store.commit()
            entry = store.get_entry("a")
            one, many = store.get_entry("a", commit), store.get_entry("b", commit)
            if entry.value.min() != entry.value.max() or one.value[0] != many.value or one.version != many.version:
                wrong.append((entry, one, many))

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(60):
        store.increment_gradient("b", 1.0)
        store.increment_gradient("a", np.ones(2000))
        pg.apply_update(optimizer)
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert store.get_parameter_value("b") == 60.0


@dataclass(frozen=True)
class Wrong(Rule):
    """A rule whose step is a mistake."""

    what: str

    def step(self, values: Any, gradients: Any, state: Any) -> Any:
        """One step, or not."""
        if self.what == "in place":
            values += gradients
        made = {"shorter": values[:1], "narrower": values.astype("float32"), "nan": values * np.nan}
        return None if self.what == "nothing" else (made.get(self.what, values), state)


@pytest.mark.parametrize(
    ("what", "error", "words"),
    [
        ("shorter", ValueError, r"made float64\[1\] of float64\[2\]; a step keeps both"),
        ("narrower", ValueError, r"made float32\[2\] of float64\[2\]; a step keeps both"),
        ("nan", ValueError, "the next value of 'a' is nan or infinite; nothing was written"),
        ("in place", ValueError, "read-only"),
        ("nothing", TypeError, "step returned None; return .new values, next state."),
    ],
)
def test_a_rule_that_makes_no_values_of_its_parameters_changes_nothing(what: str, error: type[Exception], words: str) -> None:
    store = Dict()
    for name in ("a", "b"):
        store.init_parameter(name, 1.0)
        store.increment_gradient(name, 1.0)
    with pytest.raises(error, match=words):
        pg.apply_update(pg.init_optimizer(Wrong(what), ["a", "b"], store))
    assert [(store.get_parameter_value(name), store.get_gradient(name)) for name in ("a", "b")] == [(1.0, 1.0)] * 2


def test_equal_configurations_have_one_state_whatever_their_numbers_are_made_of() -> None:
    made = [SGD(0.5, momentum=0.9), SGD(np.float64(0.5), momentum=np.float64(0.9)), SGD(np.float32(0.5), momentum=0.9)]
    assert len({conf.state_name(["w"]) for conf in made}) == 1
    assert SGD(1).state_name(["w"]) == SGD(1.0).state_name(["w"]) != SGD(2).state_name(["w"])
    assert type(made[2].lr) is float
    with pytest.raises(ValueError, match="lr must be finite"):
        SGD(10**400)
    with pytest.raises(TypeError, match="lr must be a number, not bool"):
        SGD(True)


@pytest.mark.parametrize("url", ["memory:", "sqlite:///{}/x.db"])
@pytest.mark.parametrize(
    "conf", [pg.rules.SGD(lr=1e10, momentum=0.9), pg.rules.FixedStepGradientDescent(1e10), pg.rules.AdamW(lr=1e300, weight_decay=1e300)]
)
def test_a_number_that_overflows_is_one_error_and_no_warning(url: str, conf: Any, tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    store = pg.stores.open(url.format(tmp_path))
    store.init_parameter("t", 1.0)
    optimizer = pg.init_optimizer(conf, ["t"], store)
    store.increment_gradient("t", 1e300)
    with pytest.raises(ValueError, match="the next value of 't' is nan or infinite"):
        pg.apply_update(optimizer)
    assert store.get_parameter_value("t") == 1.0
    assert [str(warning.message) for warning in recwarn] == []
