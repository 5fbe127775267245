"""Parameters of the graph in bodies: ``gen.param(p)`` reads a ``pg.Parameter`` as its context gives it.

One execution reads all of them as of one snapshot: those a function read the last time are read
together. What was read, value, version and cell, stays with the trace, and its derivative goes there.
"""

from __future__ import annotations

from typing import Any, NamedTuple
from weakref import ref

from paragrad.context import current_scope
from paragrad.gen.structures import is_real
from paragrad.trace.nodes import Version
from paragrad.trace.overlay import Overlay, together
from paragrad.trace.parameter import Parameter
from paragrad.trace.state import STATE
from paragrad.trace.values import ATOMS, thaw
from paragrad.trace.variable import note_read

_LAST = "_parameters_read"  # attribute of a function: weak references to what its last run read


class ParameterRead(NamedTuple):
    """One ``pg.Parameter`` as it was read.

    Attributes:
        value: a float, an array, a text, or whatever else it holds.
        version: of the cell it was read from.
        home: where it lives in a store (or a group of Parameters) and was read live; else None.
        leaf: the version as the graph of Variables has it; ``leaf.cell`` collects what ``.grad`` shows.
        parameter: it.
    """

    value: Any
    version: int
    home: Any
    leaf: Version
    parameter: Parameter[Any]

    @property
    def store(self) -> Any:
        """The store it was read from, or None."""
        return getattr(self.home, "store", None)

    def now(self) -> int:
        """The version of its cell at present."""
        return self.leaf.cell.current if self.store is None else int(self.home.current()[1])

    def trained(self) -> bool:
        """Whether a derivative is wanted: it is trained, and holds a float or an array of floats."""
        return self.leaf.requires and is_real(self.value)

    def fitting(self, grad: Any, scale: float) -> Any:
        """A derivative as the cell collects it: a float, or an array of the value's own type."""
        if self.value.__class__ is float:
            return float(grad) * scale
        import numpy

        return numpy.asarray(grad * scale, self.value.dtype).reshape(self.value.shape)

    def deliver(self, grad: Any) -> None:
        """Add a fitting derivative to what the cell has collected."""
        scope = current_scope()
        self.leaf.acc.add_number(grad, scope.at.item if scope is not None else None)


class Snapshot:
    """What one execution reads of Parameters.

    Args:
        root: the function that read the first one.
        over: the context in which it did; updates of its traces read there too.
    """

    __slots__ = ("_ahead", "_commits", "over", "reads", "root")

    def __init__(self, root: Any, over: Overlay | None) -> None:
        self.root = root
        self.over = over
        self.reads: dict[Parameter[Any], ParameterRead] = {}
        self._ahead: dict[int, ParameterRead] | None = None
        self._commits: dict[Any, int] = {}

    def read(self, parameter: Parameter[Any], env: Any) -> ParameterRead:
        """A Parameter as of this snapshot."""
        found = self.reads.get(parameter)
        if found is None:
            found = self.reads[parameter] = self._first(parameter, env)
        return found

    def _first(self, parameter: Parameter[Any], env: Any) -> ParameterRead:
        ahead, last = self._ahead, self.root.__dict__.get(_LAST, ())
        if ahead is None:
            chosen = {id(p): p for p in (parameter, *[weak() for weak in last]) if p is not None}
            ahead = self._ahead = self._together(list(chosen.values()), env)
        found = ahead.get(id(parameter))
        if found is None:
            found = self._together([parameter], env)[id(parameter)]
        if not any(weak() is parameter for weak in last):
            self.root.__dict__[_LAST] = tuple(ref(p) for p in (*self.reads, parameter))
        return found

    def _together(self, parameters: list[Parameter[Any]], env: Any) -> dict[int, ParameterRead]:
        stores = [store for store in env.context.values() if hasattr(store, "key")]
        stores += [p._bound.store for p in parameters if hasattr(p._bound, "store")]
        commits = self._commits
        commits.update({store.key: env.pins[store] for store in stores if store in env.pins})
        leaves = together(parameters, self.over, commits)
        for store in stores:  # functions' own parameters in the same store are read as of the same commit
            if store.key in commits:
                env.pins.setdefault(store, commits[store.key])
        return {id(p): self._of(p, leaf) for p, leaf in zip(parameters, leaves, strict=True)}

    def _of(self, parameter: Parameter[Any], leaf: Any) -> ParameterRead:
        served = getattr(self.over, "bound", None)  # a context of stores
        home = parameter._bound if leaf.cell is parameter._cell else served(parameter) if served is not None else None
        return ParameterRead(_value_of(parameter, leaf.value), leaf.version, home, leaf, parameter)


def _value_of(parameter: Parameter[Any], value: Any) -> Any:
    """The value as a body computes with it: whole numbers are floats, unless they must be whole."""
    if value.__class__ is int and not getattr(parameter.space, "integer", True):
        return float(value)
    return value if value.__class__ in ATOMS else thaw(value)


def read(parameter: Parameter[Any], owner: Any, env: Any) -> ParameterRead:
    """Read a Parameter in an execution; the enclosing traced call learns of it."""
    snapshot = env.snapshot
    if snapshot is None:
        snapshot = env.snapshot = Snapshot(owner, STATE.get().overlay)
    found: ParameterRead = snapshot.read(parameter, env)
    note_read(found.leaf)
    return found


def again(snapshot: Snapshot | None) -> Snapshot | None:
    """A new snapshot of the same context."""
    return None if snapshot is None else Snapshot(snapshot.root, snapshot.over)


def named(id: Any, word: str = "") -> str:
    """A parameter in words: a Parameter by its id, a function's by ``word``, function and name."""
    if isinstance(id, Parameter):
        return f"the Parameter {id.id!r:.80}"
    owner, name = id
    return f"{word}{name!r:.80} of {owner!r}"
