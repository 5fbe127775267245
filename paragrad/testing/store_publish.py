"""Laws of stores: publishing and optimizer state."""

from __future__ import annotations

import threading

import numpy

from paragrad.errors import Conflict
from paragrad.testing.store_kit import Kit, law, refused, same, together


@law
def publish_is_one_commit(kit: Kit) -> None:
    """``publish`` writes all values with one version."""
    a, b = kit.text("a"), kit.text("b")
    commit = kit.store.publish({a: "x", b: "y"})
    same([kit.store.get_entry(id).version for id in (a, b)], [commit, commit])


@law
def publish_refused_by_space(kit: Kit) -> None:
    """One bad value and none is written."""
    a, b = kit.text("a"), kit.text("b")
    with refused(TypeError, ValueError):
        kit.store.publish({a: "x", b: 5})
    same((kit.store.get_parameter_value(a), kit.store.get_parameter_value(b)), ("one", "one"))


@law
def publish_refused_by_conflict(kit: Kit) -> None:
    """One lost race and nothing is written, the state neither."""
    a, b = kit.text("a"), kit.text("b")
    old = kit.store.get_entry(b).version
    kit.store.set_parameter_value(b, "two")
    with refused(Conflict):
        kit.store.publish({a: "x"}, expect={b: old}, state={kit.prefix: 1})
    same((kit.store.get_parameter_value(a), kit.store.state(kit.prefix)), ("one", None))


@law
def publish_unknown(kit: Kit) -> None:
    """One unknown id and nothing is written."""
    a = kit.text("a")
    with refused(KeyError):
        kit.store.publish({a: "x", kit.id("b"): "y"})
    same(kit.store.get_parameter_value(a), "one")


@law
def state_comes_back(kit: Kit) -> None:
    """Optimizer state is plain data and arrays, and lives with the values."""
    state = {"t": 3, "beta": 0.9, "$m": [1, None, True], "moments": {"w": numpy.arange(3.0)}}
    kit.store.publish({}, state={kit.prefix: state})
    found = kit.store.state(kit.prefix)
    same((found["t"], found["beta"], found["$m"]), (3, 0.9, [1, None, True]))
    same(found["moments"]["w"], numpy.arange(3.0))


@law
def readers_see_whole_commits(kit: Kit) -> None:
    """A reader pinned at a commit never sees half of a publish."""
    a, b = kit.number("a", 0.0), kit.number("b", 0.0)
    stop = threading.Event()

    def work(number: int) -> None:
        if number == 0:
            for n in range(1, 16):
                kit.store.publish({a: float(n), b: float(n)})
            stop.set()
            return
        while not stop.is_set():
            at = kit.store.commit()
            same(kit.store.get_entry(a, at=at).value, kit.store.get_entry(b, at=at).value)

    together(3, work)
