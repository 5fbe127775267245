"""Contexts: whose values a block reads, and that no reader ever sees half an update."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import paragrad as pg
from paragrad import stores
from paragrad.errors import Conflict, LostContext, UnknownName, UsageError
from paragrad.protocols.evidence import Candidate
from paragrad.stores import parameter_context
from paragrad.trace import Module, Parameter, overlay, transaction
from paragrad.trace.overlay import guarded, pinned


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return stores.open("memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/x.db")


def pair(store: Any = None) -> tuple[Any, Any]:
    return Parameter("a0", name="a", store=store), Parameter("b0", name="b", store=store)


def test_a_parameter_in_a_store_keeps_the_stores_value(store: Any) -> None:
    p: Any = Parameter("first", name="p", store=store)
    assert p.value == "first"
    p.data = "second"
    assert store.get_parameter_value("p") == "second"
    del p
    again: Any = Parameter("other", name="p", store=store)
    assert again.value == "second"
    assert [entry.value for entry in again.history()] == ["first", "second"]


def test_one_living_owner_per_id(store: Any) -> None:
    one: Any = Parameter("x", name="p", store=store)
    with pytest.raises(UsageError, match="owned by another"):
        Parameter("y", name="p", store=store)
    assert one.value == "x"


def test_an_unnamed_parameter_outside_a_program_cannot_be_stored(store: Any) -> None:
    p: Any = Parameter("x", store=store)
    with pytest.raises(UsageError, match="no name"):
        p.data = "y"
    q: Any = Parameter("x")
    with parameter_context(store), pytest.raises(UsageError, match="no name"):
        q.value
    assert not store.ids()


def test_a_store_context_serves_private_parameters(store: Any) -> None:
    p: Any = Parameter("private", name="p")
    with parameter_context(store):
        assert p.value == "private"
        p.data = "stored"
        assert p.value == "stored"
        (p + "!").backward("feedback")
        assert len(p.grad) == 1
    assert p.value == "private"
    assert not p.grad
    assert store.get_parameter_value("p") == "stored"
    with parameter_context({"default": store}):
        assert p.value == "stored"


def test_stores_by_key(store: Any) -> None:
    other = stores.open("memory:")
    a, b = Parameter("a0", name="a", store=store), Parameter("b0", name="b")
    with parameter_context({store.key: other}):
        assert a.value == "a0"
        a.data = "in other"
        assert b.value == "b0"
    assert other.get_parameter_value("a") == "in other"
    assert "b" not in other.ids()
    assert a.value == "a0"


def test_releases(store: Any) -> None:
    a, b = pair(store)
    release = store.release("r", ["a"])
    a.data, b.data = "a1", "b1"
    with parameter_context(store.resolve_release(str(release))):
        assert (a.value, b.value) == ("a0", "b1")
        a.data = "inside"
        assert a.value == "inside"
    assert (a.value, b.value) == ("a1", "b1")


def test_candidates() -> None:
    a, b = pair()
    with parameter_context(Candidate({"a": "tried"})):
        assert (a.value, b.value) == ("tried", "b0")
        (a + b).backward("hm")
        assert len(a.grad) == 1
    assert a.value == "a0"
    assert not a.grad
    with parameter_context(Candidate({"a": 7})), pytest.raises((TypeError, ValueError)):
        a.value


@pytest.mark.parametrize("spec", [3, None, "no url", ["memory:"]])
def test_what_is_no_context_is_an_error(spec: Any) -> None:
    with pytest.raises((UsageError, UnknownName)), parameter_context(spec):
        pass


def test_a_context_may_be_first_pinned_and_then_filled(store: Any) -> None:
    """Parameters whose first value is written after the store was pinned."""
    a, b = pair()
    with parameter_context(store), pinned():
        assert a.value == "a0"
        assert b.value == "b0"
    with parameter_context(store), pinned([a, b]):
        assert (a.value, b.value) == ("a0", "b0")


def test_a_pinned_reader_sees_one_commit_however_it_is_written(store: Any) -> None:
    a, b = pair(store)
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            store.publish({"a": f"a{number}", "b": f"b{number}"})

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(300):
            with pinned():
                first = a.value
                second = b.value
                assert first[1:] == second[1:]
                assert (a.value, b.value) == (first, second)
    finally:
        stop.set()
        writer.join()


def test_a_transaction_is_all_or_nothing_everywhere(store: Any) -> None:
    a, b = pair(store)
    c: Any = Parameter("c0", name="c")

    def stopped() -> None:
        with transaction():
            a.data, c.data = "a1", "c1"
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        stopped()
    assert (a.value, b.value, c.value) == ("a0", "b0", "c0")
    with transaction():
        a.data, b.data, c.data = "a1", "b1", "c1"
        assert (a.value, c.value) == ("a1", "c1")
        assert store.get_parameter_value("a") == "a0"
    assert (a.value, b.value, c.value) == ("a1", "b1", "c1")
    commits = {entry.version for p in (a, b) for entry in p.history()[-1:]}
    assert len(commits) == 1


def test_a_lost_race_changes_nothing(store: Any) -> None:
    a, b = pair(store)
    c: Any = Parameter("c0", name="c")

    def late() -> None:
        with transaction():
            a.data, b.data, c.data = "a1", "b1", "c1"
            store.set_parameter_value("b", "meanwhile")

    with pytest.raises(Conflict):
        late()
    assert (a.value, b.value, c.value) == ("a0", "meanwhile", "c0")


def test_a_transaction_inside_a_store_context_is_one_commit(store: Any) -> None:
    a, b = pair()
    with parameter_context(store):
        assert (a.value, b.value) == ("a0", "b0")
        with transaction():
            a.data, b.data = "a1", "b1"
            assert store.get_parameter_value("a") == "a0"
        assert store.history("a")[-1].version == store.history("b")[-1].version

        def late() -> None:
            with transaction():
                a.data, b.data = "a2", "b2"
                store.set_parameter_value("b", "meanwhile")

        with pytest.raises(Conflict):
            late()
        assert (a.value, b.value) == ("a1", "meanwhile")
    assert (a.value, b.value) == ("a0", "b0")


def test_transactions_inside_transactions() -> None:
    a, b = pair()
    with transaction():
        a.data = "a1"
        with transaction():
            b.data = "b1"
        assert (a.value, b.value) == ("a1", "b1")

        def stopped() -> None:
            with transaction():
                a.data = "never"
                raise KeyError

        with pytest.raises(KeyError):
            stopped()
        assert a.value == "a1"
    assert (a.value, b.value) == ("a1", "b1")


def test_concurrent_transactions_lose_no_update() -> None:
    n: Any = Parameter(0, name="n", space=pg.Number(integer=True))
    conflicts = []

    def add(_: int) -> None:
        while True:
            try:
                with transaction():
                    n.data = n.value + 1
                return
            except Conflict:
                conflicts.append(1)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(400)))
    assert n.value == 400


def test_overlays_in_threads_never_meet() -> None:
    a, b = pair()

    def work(number: int) -> None:
        with overlay({a: f"a{number}"}):
            (a + b).backward(f"g{number}")
            assert a.value == f"a{number}"
            assert [str(g.value) for g in a.grad] == [f"g{number}"]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(100)))
    assert a.value == "a0"
    assert not a.grad
    assert not b.grad


def test_a_guarded_parameter_is_read_in_its_run_alone(store: Any) -> None:
    a, b = pair(store)
    c: Any = Parameter("c0", name="c")
    for p in (a, c):
        with pinned([a, b, c]), guarded([p]):
            value = p.value
            found = []
            thread = threading.Thread(target=lambda p=p, found=found: found.append(_read(p)))
            thread.start()
            thread.join()
            assert isinstance(found[0], LostContext)
            assert p.id in str(found[0])
            thread = threading.Thread(target=pg.carry(lambda p=p, found=found: found.append(_read(p))))
            thread.start()
            thread.join()
            assert found[1] == value
        assert p.value == value


def _read(p: Any) -> Any:
    try:
        return p.value
    except LostContext as error:
        return error


def test_what_is_written_from_outside_while_guarded_stays() -> None:
    c: Any = Parameter("c0", name="c")
    with pinned([c]), guarded([c]):
        thread = threading.Thread(target=lambda: c.write("outside"))
        thread.start()
        thread.join()
        assert c.value == "c0"
    assert c.value == "outside"
    assert [entry.value for entry in c.history()] == ["c0", "outside"]


def test_guards_inside_guards() -> None:
    c: Any = Parameter("c0", name="c")
    with pinned([c]):
        with guarded([c]):
            with guarded([c]):
                pass
            assert isinstance(_outside(c), LostContext)
        assert _outside(c) == "c0"


def _outside(c: Any) -> Any:
    from contextvars import Context

    return Context().run(_read, c)


class Two(Module):
    """Two parameters."""

    def __init__(self, store: Any = None) -> None:
        self.one = Parameter("one", store=store)
        self.two = Parameter("two", store=store)

    def forward(self, x: Any) -> Any:
        return self.one + x + self.two


def test_ids_come_from_the_program(store: Any) -> None:
    made = Two(store)
    assert made("-").value == "one-two"
    assert sorted(store.ids()) == ["one", "two"]
    made.one.data = "1"
    del made
    assert Two(store)("-").value == "1-two"


def test_a_module_inside_a_module_is_named_by_the_outermost() -> None:
    class Outer(Module):
        """Twice the same class."""

        def __init__(self) -> None:
            self.left, self.right = Two(), Two()

        def forward(self, x: Any) -> Any:
            return self.left(x) + self.right(x)

    made = Outer()
    made.left("x")
    assert list(made.named_parameters()) == ["left.one", "left.two", "right.one", "right.two"]
    assert [p.id for p in made.parameters()] == ["left.one", "left.two", "right.one", "right.two"]
