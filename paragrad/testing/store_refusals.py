"""Laws of stores: odd ids, odd numbers, odd sizes, and calls that must change nothing."""

from __future__ import annotations

import math

import numpy

from paragrad.errors import Conflict
from paragrad.registry import spaces
from paragrad.testing.store_kit import Kit, law, refused, same

ODD = ("..", ".", "../up", "a//b", "/front", "a b", "tab\tline\n", "ü/中文/🐈", "%2e%2e", "quote'\"", "a?b#c&d", "~2e", "x" * 300)
BAD = ("", "a/", 3, None, ("f",), ("f", ""), "half \ud800")
TYPES = ("bool", "int8", "uint8", "int32", "int64", "float16", "float32", "float64")


@law
def odd_ids(kit: Kit) -> None:
    """Any text is an id, and no two are the same parameter."""
    names = [kit.id(name) for name in ODD]
    for place, name in enumerate(names):
        kit.store.init_parameter(name, float(place))
        kit.store.increment_gradient(name, place + 0.5)
    same([kit.store.get_parameter_value(name) for name in names], [float(place) for place in range(len(ODD))])
    same([kit.store.get_gradient(name) for name in names], [place + 0.5 for place in range(len(ODD))])
    same(list(kit.store.ids(kit.prefix)), sorted(names))


@law
def ids_that_climb(kit: Kit) -> None:
    """An id that looks like a way out of a folder is a name like any other."""
    for name in ("..", ".", "../../x"):
        kit.store.init_parameter(name, kit.prefix)
        same(kit.store.get_parameter_value(name), kit.prefix)


@law
def bad_ids(kit: Kit) -> None:
    """What cannot be an id is refused by every method."""
    for id in BAD:
        with refused(ValueError):
            kit.store.init_parameter(id, 1.0)
        with refused(ValueError):
            kit.store.get_parameter_value(id)
        with refused(ValueError):
            kit.store.increment_gradient(id, 1.0)


@law
def not_a_number(kit: Kit) -> None:
    """A nan or an infinity is refused at the push, by an error that names the id: added, it would spoil what others pushed."""
    n, m, w, f = kit.number(), kit.number("m"), kit.array(), kit.id("f")
    kit.store.init_parameter(f, numpy.zeros(2, "float32"))
    kit.store.increment_gradient(n, 2.0)
    kit.store.increment_gradient(w, [2.0, 3.0])
    for bad in (math.nan, math.inf, -math.inf):
        for id, delta, scale in ((n, bad, 1.0), (w, numpy.array([1.0, bad]), 1.0), (n, 1.0, bad), (w, numpy.zeros(2), bad)):
            with refused(ValueError) as met:
                kit.store.increment_gradient(id, delta, scale)
            same(f"{id!r}" in str(met[0]), True)
    for id, delta, scale in ((n, 1e200, 1e200), (w, numpy.array([1e200, 1.0]), 1e200), (f, numpy.array([1e39, 1.0]), 1.0)):
        with refused(ValueError):
            kit.store.increment_gradient(id, delta, scale)
    kit.store.increment_gradient(f, numpy.full(2, 1e30, "float32"))
    same((kit.store.get_gradient(n), kit.store.get_gradient(m), kit.store.get_parameter_value(n)), (2.0, 0.0, 1.0))
    same(kit.store.get_gradient(w), [2.0, 3.0])
    same((kit.store.get_gradient_count(n), kit.store.get_gradient_count(w)), (1, 1))


@law
def no_broadcast(kit: Kit) -> None:
    """A shape that could be stretched is refused: nobody meant it."""
    id = kit.id("m")
    kit.store.init_parameter(id, numpy.zeros((2, 3)))
    for shape in ((), (1,), (3,), (2, 1), (1, 3), (3, 2), (1, 2, 3)):
        with refused(ValueError):
            kit.store.increment_gradient(id, numpy.ones(shape))
        with refused(ValueError):
            kit.store.set_parameter_value(id, numpy.ones(shape))
    same((kit.store.get_gradient(id).sum(), kit.store.get_parameter_value(id).sum(), len(kit.store.history(id))), (0.0, 0.0, 1))


@law
def bad_scale_and_type(kit: Kit) -> None:
    """A scale that is no number, a value of a wider type than the space's: nothing happens."""
    w = kit.id("w")
    kit.store.init_parameter(w, numpy.zeros(2, "float32"), spaces.get("tensor")(shape=(2,), dtype="float32"))
    for scale in ("1", None, True, [1.0]):
        with refused(TypeError):
            kit.store.increment_gradient(w, [1.0, 1.0], scale)
    with refused(TypeError, ValueError):
        kit.store.set_parameter_value(w, numpy.ones(2, "float64"))
    same(kit.store.get_gradient(w), [0.0, 0.0])
    same(kit.store.get_parameter_value(w).dtype.name, "float32")


@law
def take_is_all_or_nothing(kit: Kit) -> None:
    """One unknown or wordy id among those to take, and nothing was taken."""
    n, t = kit.number(), kit.text("t")
    kit.store.increment_gradient(n, 2.0)
    with refused(KeyError):
        kit.store.take_gradients([n, kit.id("nobody")])
    with refused(TypeError):
        kit.store.take_gradients([n, t])
    same((kit.store.get_gradient(n), kit.store.get_gradient_count(n)), (2.0, 1))


@law
def refused_publish_keeps_everything(kit: Kit) -> None:
    """An unknown id, a bad state, a lost race: values, state and lease are as before."""
    n = kit.number()
    kit.store.increment_gradient(n, 2.0)
    lease, commit = kit.store.take_gradients([n]), kit.store.commit()
    with refused(KeyError):
        kit.store.publish({n: 5.0, kit.id("nobody"): 1.0}, state={kit.prefix: 1}, consume=lease)
    with refused(TypeError, ValueError):
        kit.store.publish({n: 5.0}, state={kit.prefix: object()}, consume=lease)
    with refused(Conflict):
        kit.store.publish({n: 5.0}, expect={n: commit + 1_000_000}, state={kit.prefix: 1}, consume=lease)
    same((kit.store.get_parameter_value(n), kit.store.state(kit.prefix), len(kit.store.history(n))), (1.0, None, 1))
    lease.release()
    same(kit.store.get_gradient(n), 2.0)


@law
def large_values(kit: Kit) -> None:
    """Half a million characters, two megabytes of numbers and their gradient."""
    text, array = "größe\n" * 80_000, numpy.arange(262_144.0).reshape(512, 512)
    kit.store.init_parameter(kit.id("t"), text)
    kit.store.init_parameter(kit.id("w"), array)
    same(kit.store.get_parameter_value(kit.id("t")) == text, True)
    same(kit.store.get_parameter_value(kit.id("w")), array)
    kit.store.increment_gradient(kit.id("w"), array, 2.0)
    lease = kit.store.take_gradients([kit.id("w")])
    same(lease.gradients[kit.id("w")], array * 2)
    kit.store.publish({kit.id("w"): array + 1}, state={kit.prefix: {"m": array}}, consume=lease)
    same(kit.store.get_parameter_value(kit.id("w")), array + 1)
    same(kit.store.state(kit.prefix)["m"], array)


@law
def every_type_and_shape(kit: Kit) -> None:
    """Types of elements come back, empty arrays and single elements too; what is handed out cannot be written to."""
    made = [(kind, (2, 3)) for kind in TYPES] + [("float32", shape) for shape in ((), (0,), (2, 0, 3), (1,))]
    for place, (kind, shape) in enumerate(made):
        id, value = kit.id(f"w{place}"), numpy.ones(shape, kind)
        kit.store.init_parameter(id, value)
        found = kit.store.get_parameter_value(id)
        same((found.dtype.name, found.shape, found.flags.writeable, found.flags.c_contiguous), (kind, shape, False, True))
        same(found, value)
