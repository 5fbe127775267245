"""Laws of stores: values and versions."""

from __future__ import annotations

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
