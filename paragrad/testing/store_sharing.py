"""Laws of stores: several handles on one place, several stores at once, damage."""

from __future__ import annotations

from typing import Any

from paragrad.errors import Conflict, Corrupted
from paragrad.stores import publish_all
from paragrad.testing.store_kit import Kit, law, refused, same, together


@law
def two_handles(kit: Kit) -> None:
    """Where ``make`` gives the same place again, the other handle sees and respects everything."""
    id = kit.number(value=0.0)
    other = kit.make()
    if id not in other.ids(kit.prefix):
        return
    version = other.set_parameter_value(id, 1.0)
    same((kit.store.get_parameter_value(id), kit.store.commit() >= version), (1.0, True))

    def push(number: int) -> None:
        for _ in range(5):
            (kit.store, other)[number % 2].increment_gradient(id, 1.0)

    together(4, push)
    same((kit.store.get_gradient(id), other.get_gradient(id)), (20.0, 20.0))
    lease = other.take_gradients([id])
    with refused(Conflict):
        other.publish({id: 5.0}, expect={id: version - 1}, consume=lease)
    kit.store.publish({id: 20.0}, expect={id: version}, consume=lease)
    same((other.get_parameter_value(id), other.get_gradient(id)), (20.0, 0.0))


@law
def two_stores_all(kit: Kit) -> None:
    """``publish_all`` writes to this store and another."""
    here, there = kit.number(), _elsewhere()
    kit.store.increment_gradient(here, 2.0)
    lease = kit.store.take_gradients([here])
    publish_all([(kit.store, {here: 3.0}, None, {kit.prefix: 7}, lease), (there, {"x": 4.0})])
    same((kit.store.get_parameter_value(here), there.get_parameter_value("x")), (3.0, 4.0))
    same((kit.store.state(kit.prefix), kit.store.get_gradient(here)), (7, 0.0))


@law
def two_stores_none(kit: Kit) -> None:
    """``publish_all`` writes to neither when one refuses; leases come back."""
    here, there = kit.number(), _elsewhere()
    kit.store.increment_gradient(here, 2.0)
    lease = kit.store.take_gradients([here])
    with refused(Conflict):
        publish_all([(kit.store, {here: 3.0}, None, None, lease), (there, {"x": 4.0}, {"x": 99})])
    same((kit.store.get_parameter_value(here), there.get_parameter_value("x"), kit.store.get_gradient(here)), (1.0, 1.0, 2.0))
    kit.store.set_parameter_value(here, 8.0)


@law
def damage_is_found(kit: Kit) -> None:
    """Damaged bytes are Corrupted, never a value."""
    if kit.corrupt is None:
        return
    id = kit.text(value="x" * 100)
    kit.corrupt(kit.store, id)
    with refused(Corrupted):
        kit.make().get_parameter_value(id)


def _elsewhere() -> Any:
    from paragrad.stores.memory import MemoryStore

    other = MemoryStore()
    other.init_parameter("x", 1.0)
    return other
