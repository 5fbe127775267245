"""The parameter server switch: a Parameter's value, gradient and optimizer state move to a store that others share.

weight.set_param_ps(store="redis://host:6379/0")     # in every worker: the first one moves it, the others join
loss(weight).backward()
push_gradients([weight])                             # the next read of weight pulls what the server holds then

optimizer = pg.init_optimizer(SGD(lr=0.1), ["weight"], pg.stores.open("redis://host:6379/0"))    # the server
pg.apply_update(optimizer)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import uuid4

from paragrad.errors import UsageError
from paragrad.registry import facets
from paragrad.stores.accumulate import blank, checked
from paragrad.stores.cells import StoreCell, open_cell
from paragrad.stores.ids import unsegment
from paragrad.stores.opening import open as open_store
from paragrad.trace.accumulator import Accumulator
from paragrad.trace.described import refuse_unnamed
from paragrad.trace.state import STATE


class ServedCell(StoreCell):
    """A StoreCell on a parameter server.

    Attributes:
        before: the store it came from, and returns to; None for a private Parameter.
    """

    __slots__ = ("before",)

    def __init__(self, store: Any, id: str, before: Any) -> None:
        super().__init__(store, id)
        self.before = before


def serve(parameter: Any, on: bool = True, store: Any = None) -> None:
    """Move a Parameter to a parameter server, or back; see ``Parameter.set_param_ps``.

    Args:
        parameter: a Parameter with a name.
        on: True moves value, gradient and optimizer state to ``store``; where the id is known there already, this Parameter
            joins: its gradient is added and the server's value holds. False brings value and gradient back, and the
            optimizer's state if it came from a store.
        store: a store or its URL; None: the "default" of the parameter context.

    Raises:
        UsageError: no store is named, the Parameter has no name, or this is inside an overlay.
        ValueError, TypeError: the server holds another kind of value or another shape under this id.
    """
    here = STATE.get().overlay
    if here is not None and not hasattr(here, "stores"):
        raise UsageError(f"{parameter.id} cannot change its place inside an overlay or transaction; call set_param_ps outside")
    cell = parameter._bound
    if on:
        _move(parameter, _server(parameter, store))
    elif isinstance(cell, ServedCell) and cell.before is not None:
        _move(parameter, cell.before, back=True)
    elif isinstance(cell, ServedCell):
        _make_private(parameter, cell)


def push_gradients(parameters: Iterable[Any]) -> int:
    """Push what ``backward`` has left at Parameters to their stores, and zero it here; says how many had a gradient.

    A push that fails leaves its gradient where it was; one whose acknowledgement is lost counts once.

    Raises:
        UsageError: a Parameter that is in no store; nothing of it was pushed.
    """
    pushed = 0
    for parameter in parameters:
        cell = parameter._bound
        if not isinstance(cell, StoreCell):
            raise UsageError(f"{parameter.id} is in no store; write {parameter.id}.set_param_ps(store=...), or give it store=")
        pushed += _push(parameter._accumulator(), cell.store, cell.id)
    return pushed


def _server(parameter: Any, store: Any) -> Any:
    if store is None:
        store = (facets.get("ambient_stores")() or {}).get("default")
    if store is None:
        raise UsageError(f"which server is to hold {parameter.id}? write set_param_ps(store='redis://...'), or use pg.parameter_context")
    return open_store(store) if isinstance(store, str) else store


def _move(parameter: Any, store: Any, back: bool = False) -> None:
    """Value, gradient and states to another store; the Parameter follows.

    Args:
        parameter: in another store, or private.
        store: where to.
        back: to where it came from: what is there is older.
    """
    refuse_unnamed(parameter)
    cell, mine = parameter._bound, parameter._accumulator()
    source = cell.store if isinstance(cell, StoreCell) else None
    if source is not None and source.key == store.key:
        return
    if hasattr(cell, "group"):  # it lies in an optimizer's array
        cell.group.absorb()
        cell.group.release()
        mine = parameter._accumulator()
    value = cell.current()[0] if source is not None else parameter.value
    _refuse_unfit(parameter, mine, value)
    if _known(parameter, store, value) and back:
        store.set_parameter_value(parameter.id, value, note="back from the parameter server")
    made = open_cell(store, parameter, value, parameter.space)
    if source is not None:
        _move_states(source, store, parameter.id, back)
        _move_pending(source, store, parameter.id)
        _disown(source, parameter)
    parameter._bound = made if back else ServedCell(store, made.id, source)
    parameter._meta.store, parameter._leaf = store, None
    _push(mine, store, made.id)


def _refuse_unfit(parameter: Any, mine: Any, value: Any) -> None:
    """Refuse a gradient that no store would take before anything moves.

    Raises:
        ValueError: it is nan or infinite, or of another shape.
    """
    template, total = blank(value), mine.total()
    if template is not None and total is not None:
        checked(parameter.id, template, getattr(total, "value", total))


def _make_private(parameter: Any, cell: ServedCell) -> None:
    """The value and the gradient that nobody has applied come back to the Parameter itself."""
    value, _ = cell.current()
    gradient = None
    if _numeric(parameter):
        lease = cell.store.take_gradients([cell.id])
        gradient = lease.gradients[cell.id] if lease.counts[cell.id] else None
        cell.store.publish({}, consume=lease)
    mine = parameter._accumulator()
    _disown(cell.store, parameter)
    parameter._bound, parameter._meta.store, parameter._leaf = None, None, None
    parameter._set_live(parameter.checked(value))
    parameter._cell.acc = mine
    if gradient is not None:
        mine.add_number(gradient)


def _known(parameter: Any, store: Any, value: Any) -> bool:
    """Whether the store has the id already.

    Raises:
        ValueError, TypeError: with a value that this Parameter cannot have.
    """
    try:
        found = store.get_parameter_value(parameter.id)
    except KeyError:
        return False
    shapes = getattr(found, "shape", None), getattr(value, "shape", None)
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"{store!r} holds {parameter.id!r} with shape {shapes[0]}, this Parameter has {shapes[1]}; give one of them another name"
        )
    parameter.checked(found)
    return True


def _push(accumulator: Any, store: Any, id: str) -> bool:
    """Move the sum of an accumulator's numbers into the store."""
    taken = Accumulator()
    taken.numbers, taken.parts, taken.folded = accumulator.numbers, accumulator.parts, accumulator.folded
    total = taken.total()
    if total is None:
        return False
    accumulator.numbers, accumulator.parts, accumulator.folded = [], [], 0
    try:
        store.increment_gradient(id, getattr(total, "value", total), token=uuid4().hex)
    except BaseException:  # what was not pushed stays
        accumulator.numbers[:0], accumulator.parts[:0] = taken.numbers, taken.parts
        accumulator.folded += taken.folded
        raise
    return True


def _move_pending(source: Any, target: Any, id: str) -> None:
    """What was pushed to one store and not applied, to the other; if this stops in between, the lease returns it."""
    try:
        lease = source.take_gradients([id])
    except TypeError:  # words have no numeric gradient
        return
    if lease.counts[id]:
        target.increment_gradient(id, lease.gradients[id], token=lease.id)
    source.publish({}, consume=lease)


def _move_states(source: Any, target: Any, id: str, over: bool) -> None:
    """The states of optimizers that know ``id``; ``over``: also where the other store has one of that name."""
    moved = {}
    for key in source.keys("s/"):
        name = unsegment(key[2:])
        state = source.state(name)
        parts = state.get("parts", ()) if isinstance(state, dict) else ()
        if any(id in part.get("ids", ()) for part in parts) and (over or target.state(name) is None):
            moved[name] = state
    if moved:
        target.publish({}, state=moved)


def _disown(store: Any, parameter: Any) -> None:
    owners = store.__dict__.get("_owners")
    if owners is not None and owners.get(parameter.id) is parameter:
        del owners[parameter.id]


def _numeric(parameter: Any) -> bool:
    return parameter.kind in ("number", "tensor")
