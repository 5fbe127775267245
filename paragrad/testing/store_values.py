"""Laws of stores: values, versions, history, and publishing them."""

from __future__ import annotations

import threading

import numpy

from paragrad.errors import Conflict
from paragrad.protocols.store import ParameterStore
from paragrad.registry import spaces
from paragrad.testing.store_kit import Kit, law, refused, same, together


@law
def protocol(kit: Kit) -> None:
    """It has every method of ParameterStore."""
    same(isinstance(kit.store, ParameterStore), True)


@law
def key_is_hashable(kit: Kit) -> None:
    """``key`` can be used in a parameter context."""
    hash(kit.store.key)


@law
def init_then_get(kit: Kit) -> None:
    """What was put in comes out."""
    same(kit.store.get_parameter_value(kit.text(value="grüße\n\x00🐈")), "grüße\n\x00🐈")


@law
def init_infers(kit: Kit) -> None:
    """Text, number and array need no space."""
    for name, value, kind in (("t", "x", "text"), ("f", 0.5, "number"), ("w", numpy.eye(2), "tensor")):
        kit.store.init_parameter(kit.id(name), value)
        same(kit.store.space(kit.id(name)).kind, kind)
        same(kit.store.get_parameter_value(kit.id(name)), value)


@law
def init_returns_version(kit: Kit) -> None:
    """``init_parameter`` returns the commit that wrote the value."""
    version = kit.store.init_parameter(kit.id(), "x")
    same(kit.store.get_entry(kit.id()).version, version)


@law
def init_again(kit: Kit) -> None:
    """A second init starts anew: gradient zero, other shape and space allowed."""
    id = kit.array()
    kit.store.increment_gradient(id, [1.0, 1.0])
    kit.store.init_parameter(id, numpy.zeros(3))
    same(kit.store.get_gradient(id), numpy.zeros(3))
    kit.store.init_parameter(id, "now a text")
    same(kit.store.get_parameter_value(id), "now a text")
    same(len(kit.store.history(id)), 3)


@law
def set_then_get(kit: Kit) -> None:
    """A set value is read, its version is the new commit."""
    id = kit.text()
    version = kit.store.set_parameter_value(id, "two")
    same((kit.store.get_parameter_value(id), kit.store.get_entry(id).version), ("two", version))


@law
def versions_are_commits(kit: Kit) -> None:
    """Versions grow, and none is later than ``commit()``."""
    id = kit.text()
    first = kit.store.set_parameter_value(id, "two")
    second = kit.store.set_parameter_value(id, "three")
    same(0 < first < second <= kit.store.commit(), True)


@law
def set_unknown(kit: Kit) -> None:
    """Setting an unknown id is a KeyError."""
    with refused(KeyError):
        kit.store.set_parameter_value(kit.id(), "x")


@law
def reads_unknown(kit: Kit) -> None:
    """Every read of an unknown id is a KeyError."""
    for name in ("get_parameter_value", "get_entry", "space", "get_gradient", "reset_gradient", "history"):
        with refused(KeyError):
            getattr(kit.store, name)(kit.id())


@law
def writes_unknown(kit: Kit) -> None:
    """Every write to an unknown id is a KeyError."""
    store, id = kit.store, kit.id()
    with refused(KeyError):
        store.increment_gradient(id, 1.0)
    with refused(KeyError):
        store.take_gradients([id])
    with refused(KeyError):
        store.rollback(id, 1)
    with refused(KeyError):
        store.release(kit.prefix, [id])


@law
def wrong_type_before_write(kit: Kit) -> None:
    """A value its space refuses changes nothing."""
    id, before = kit.text(), kit.store.commit()
    with refused(TypeError, ValueError):
        kit.store.set_parameter_value(id, 3)
    same(kit.store.get_parameter_value(id), "one")
    same(len(kit.store.history(id)), 1)
    same(kit.store.commit() >= before, True)


@law
def wrong_shape_before_write(kit: Kit) -> None:
    """An array of another shape changes nothing."""
    id = kit.array()
    with refused(ValueError, TypeError):
        kit.store.set_parameter_value(id, numpy.zeros(3))
    same(kit.store.get_parameter_value(id), [1.0, 2.0])


@law
def expect_holds(kit: Kit) -> None:
    """``expect`` with the current version writes."""
    id = kit.text()
    kit.store.set_parameter_value(id, "two", expect=kit.store.get_entry(id).version)
    same(kit.store.get_parameter_value(id), "two")


@law
def expect_lost(kit: Kit) -> None:
    """``expect`` with an old version is a Conflict and writes nothing."""
    id = kit.text()
    old = kit.store.get_entry(id).version
    kit.store.set_parameter_value(id, "two")
    with refused(Conflict):
        kit.store.set_parameter_value(id, "three", expect=old)
    same(kit.store.get_parameter_value(id), "two")


@law
def one_of_many_wins(kit: Kit) -> None:
    """Of eight threads with the same ``expect`` exactly one writes."""
    id = kit.text()
    version = kit.store.get_entry(id).version
    won: list[int] = []

    def race(number: int) -> None:
        try:
            kit.store.set_parameter_value(id, str(number), expect=version)
        except Conflict:
            return
        won.append(number)

    together(8, race)
    same((len(won), kit.store.get_parameter_value(id)), (1, str(won[0]) if won else None))


@law
def no_lost_update(kit: Kit) -> None:
    """Read, add, compare-and-set in four threads loses nothing."""
    id = kit.number(value=0.0)

    def add(_: int) -> None:
        for _ in range(5):
            while True:
                entry = kit.store.get_entry(id)
                try:
                    kit.store.set_parameter_value(id, entry.value + 1, expect=entry.version)
                except Conflict:
                    continue
                break

    together(4, add)
    same(kit.store.get_parameter_value(id), 20)


@law
def history_in_order(kit: Kit) -> None:
    """``history`` has every version, oldest first, with times."""
    id = kit.text(value="v0")
    for n in range(1, 6):
        kit.store.set_parameter_value(id, f"v{n}")
    found = kit.store.history(id)
    same([entry.value for entry in found], [f"v{n}" for n in range(6)])
    same(sorted(entry.version for entry in found), [entry.version for entry in found])
    same(all(entry.time > 1e9 for entry in found), True)


@law
def entry_at_commit(kit: Kit) -> None:
    """``get_entry(id, at)`` is the newest version not later than ``at``, at every commit."""
    id = kit.text(value="v0")
    versions = [kit.store.get_entry(id).version]
    for n in range(1, 9):
        kit.store.init_parameter(kit.id(f"other{n}"), "x")
        versions.append(kit.store.set_parameter_value(id, f"v{n}"))
    for at in range(versions[0], kit.store.commit() + 2):
        wanted = max(n for n, version in enumerate(versions) if version <= at)
        same(kit.store.get_entry(id, at=at).value, f"v{wanted}")


@law
def entry_before_birth(kit: Kit) -> None:
    """An id did not exist before its first version."""
    id = kit.text()
    with refused(KeyError):
        kit.store.get_entry(id, at=kit.store.get_entry(id).version - 1)


@law
def value_of_version(kit: Kit) -> None:
    """``get_parameter_value(id, version)`` gives old values; a version it never had is a KeyError."""
    id = kit.text()
    first = kit.store.get_entry(id).version
    second = kit.store.set_parameter_value(id, "two")
    same((kit.store.get_parameter_value(id, first), kit.store.get_parameter_value(id, second)), ("one", "two"))
    for version in (first - 1, second + 1):
        with refused(KeyError):
            kit.store.get_parameter_value(id, version)


@law
def rollback_is_a_version(kit: Kit) -> None:
    """``rollback`` writes the old value as a new version."""
    id = kit.text()
    first = kit.store.get_entry(id).version
    second = kit.store.set_parameter_value(id, "two")
    third = kit.store.rollback(id, first)
    same((third > second, kit.store.get_parameter_value(id), len(kit.store.history(id))), (True, "one", 3))


@law
def diff_is_the_spaces(kit: Kit) -> None:
    """``diff`` is what the space says."""
    id = kit.text(value="a b c")
    first = kit.store.get_entry(id).version
    second = kit.store.set_parameter_value(id, "a x c")
    same(kit.store.diff(id, first, second), kit.store.space(id).diff("a b c", "a x c"))
    same(kit.store.diff(id, first, first), "")


@law
def space_comes_back(kit: Kit) -> None:
    """The space is kept with its options."""
    space = spaces.get("choice")(["a", "b"])
    kit.store.init_parameter(kit.id(), "a", space)
    same(dict(kit.store.space(kit.id()).spec()), dict(space.spec()))
    with refused(ValueError):
        kit.store.set_parameter_value(kit.id(), "c")


@law
def ids_by_prefix(kit: Kit) -> None:
    """``ids`` lists what starts with the prefix, sorted, whatever the characters."""
    names = sorted(kit.id(name) for name in ("b", "a.x", "a/y", "ü#?%~ z", ".dot", "A"))
    for name in names:
        kit.store.init_parameter(name, "x")
    same(list(kit.store.ids(kit.prefix)), names)
    same(list(kit.store.ids(kit.id("a"))), [kit.id("a.x"), kit.id("a/y")])


@law
def pair_ids(kit: Kit) -> None:
    """The same name in two functions is two parameters."""
    kit.store.init_parameter((same, kit.id()), 1.0)
    kit.store.init_parameter((refused, kit.id()), 2.0)
    same((kit.store.get_parameter_value((same, kit.id())), kit.store.get_parameter_value((refused, kit.id()))), (1.0, 2.0))


@law
def values_are_copies(kit: Kit) -> None:
    """Arrays given in or handed out do not change what is stored."""
    mine = numpy.array([1.0, 2.0])
    kit.store.init_parameter(kit.id(), mine)
    mine[0] = 9.0
    out = numpy.array(kit.store.get_parameter_value(kit.id()))
    out[1] = 9.0
    same(kit.store.get_parameter_value(kit.id()), [1.0, 2.0])


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
