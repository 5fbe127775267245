"""Parameter: a Variable that is trained, with a versioned value that a context can replace.

Reading a Parameter gives the version of the current context as a leaf, so a trace records which
version it read, gradients go to the cell that was read, and candidates never share accumulators.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Self, TypeVar

from paragrad import registry
from paragrad.errors import LostContext, ProposalError
from paragrad.protocols.data import Episode
from paragrad.protocols.gradient import ScoreRecord
from paragrad.protocols.store import Entry
from paragrad.trace.accumulator import Accumulator, by_item
from paragrad.trace.cell import Cell
from paragrad.trace.described import Described, Meta, refuse_unnamed
from paragrad.trace.nodes import FrozenVersion, Node, Version
from paragrad.trace.peers import peers_of
from paragrad.trace.state import STATE
from paragrad.trace.values import ATOMS, brief, freeze, thaw
from paragrad.trace.variable import Variable

T = TypeVar("T")


class Parameter(Described, Variable[T]):  # type: ignore[misc]  # its name is never None
    """A trainable value: a prompt, demos, code, a choice, a number, a tensor.

    Args:
        data: the first value; None leaves it unset until the first assignment.
        role: what it is for, in words; defaults to its path in the program.
        requires_grad: whether it is trained.
        name: its id in stores and records; defaults to its path from the program.
        space: the kind of value; by default found from the type of ``data``.
        constraint: a rule for proposals: words for the optimizer, or a function that returns True or
            what is wrong, or a sequence of both.
        store: a store (or its URL) that holds the value.

    Raises:
        TypeError, ValueError: the space refuses ``data``.
    """

    __slots__ = ("_bound", "_cell", "_leaf", "_lost", "_meta", "_trained")

    def __init__(
        self,
        data: Any = None,
        role: str | None = None,
        requires_grad: bool = True,
        *,
        name: str | None = None,
        space: Any = None,
        constraint: Any = None,
        layerwise_parallel: bool = False,
        store: Any = None,
        instruction_to_optimizer: str | None = None,
        instruction_to_critic: str | None = None,
    ) -> None:
        if isinstance(data, Variable):
            data = data.value
        if space is None and data is not None:
            space = registry.facets.get("space_for")(data, parameter=True)
        self._meta = Meta(name, role, space, constraint, store)
        self._meta.layerwise_parallel = layerwise_parallel
        self._meta.instruction_to_optimizer = instruction_to_optimizer
        self._meta.instruction_to_critic = instruction_to_critic
        self._trained = requires_grad
        self._bound: Any = None
        self._lost = False
        self._cell = Cell(self)
        self._leaf: Version | None = None
        self._set_live(self.checked(data) if data is not None else _empty(space))
        if store is not None and name is not None:
            self.bind_store()

    def bind_store(self) -> None:
        """Move the value to the store it was made with; called once it has an id."""
        if self._meta.store is not None and self._bound is None:
            self._bound = registry.facets.get("cell")(self._meta.store, self, self._n.value, self._meta.space)
            self._leaf = None

    # --- reading -----------------------------------------------------------------------------------

    @property
    def _n(self) -> Node:  # type: ignore[override]
        over = STATE.get().overlay
        if over is None:
            leaf = self._leaf
            return leaf if leaf is not None else self._live()
        found = over.versions.get(self._cell)
        return found if found is not None else over.read(self)

    @property
    def value(self) -> T:
        """The raw value in the current context; noted as a read by the enclosing call."""
        state = STATE.get()
        over = state.overlay
        node = (self._leaf if over is None else over.versions.get(self._cell)) or self._n
        if state.reads is not None:
            state.reads.note(node)
        value = node.value
        return value if value.__class__ in ATOMS else thaw(value)  # type: ignore[no-any-return]

    @property
    def data(self) -> Any:
        """The raw value; on a Tensor Parameter, the Parameter itself (as its document prints)."""
        return self if self.kind == "tensor" else self.value

    @data.setter
    def data(self, value: Any) -> None:
        self.write(self.checked(value))

    def _live(self) -> Version:
        """The version outside every overlay."""
        if self._lost:
            raise LostContext(
                f"{self.id} is being trained and was read outside its run's context, probably in a thread of your own; "
                "wrap the function you hand to the thread: pg.carry(fn)"
            )
        leaf = self._leaf
        if leaf is not None:
            return leaf
        value, version = self._bound.current()
        if version != self._cell.current:
            self._cell.current = version
        return self._version(value, version)

    def _version(self, value: Any, version: int) -> Version:
        return (Version if self._trained else FrozenVersion)(value, version, self._cell)

    # --- writing -----------------------------------------------------------------------------------

    def checked(self, value: Any) -> Any:
        """``value`` as this Parameter keeps it, or the space's error."""
        meta = self._meta
        if isinstance(value, Variable):
            value = value.value
        if meta.space is None:
            meta.space = registry.facets.get("space_for")(value, parameter=True)
        return freeze(meta.space.check(value))

    def accepts(self, value: Any) -> Any:
        """``value`` checked by the space and by every constraint that is a function.

        Raises:
            ProposalError: what is wrong with it, for the optimizer to read.
        """
        try:
            value = self.checked(value)
        except (TypeError, ValueError) as error:
            raise ProposalError(f"{self.id}: {error}") from error
        for rule in self.rules():
            if callable(rule):
                verdict = rule(thaw(value))
                if verdict is not True and verdict is not None:
                    raise ProposalError(f"{self.id}: {verdict if isinstance(verdict, str) else 'its constraint refuses ' + brief(value)}")
        return value

    def rules(self) -> list[Any]:
        """The constraints one by one: words and functions."""
        given = self._meta.constraint
        if given is None:
            return []
        return list(given) if isinstance(given, (list, tuple)) else [given]

    def write(self, value: Any) -> int:
        """Write a checked value in the current context; returns the new version."""
        over = STATE.get().overlay
        if over is not None:
            return over.write(self, value)
        if self._meta.store is not None:
            refuse_unnamed(self)
            self.bind_store()
            return self._bound.write(value)  # type: ignore[no-any-return]
        self._set_live(value)
        return self._cell.current

    def _set_live(self, value: Any) -> None:
        cell = self._cell
        cell.current += 1
        self._leaf = self._version(value, cell.current)
        if self.kind != "tensor":
            self._meta.history.append(Entry(cell.current, value, time.time()))

    def _replace(self, value: Any, requires_grad: bool | None = None) -> None:
        self.write(value)
        if requires_grad is not None and requires_grad != self._trained:
            self.requires_grad_(requires_grad)

    def requires_grad_(self, mode: bool = True) -> Self:
        """Say whether this Parameter is trained."""
        if not isinstance(mode, bool):
            raise TypeError(f"requires_grad is True or False, not {mode!r}")
        self._trained = mode
        if self._leaf is not None:
            self._leaf = self._version(self._leaf.value, self._leaf.version)
        return self

    # --- description -------------------------------------------------------------------------------

    @property
    def version(self) -> int:
        """The version read in the current context."""
        return self._n.version  # type: ignore[attr-defined,no-any-return]

    def history(self) -> Sequence[Entry]:
        """Versions, oldest first (of a private Parameter the last 64; none of tensors)."""
        return self._bound.history() if self._bound is not None else list(self._meta.history)

    @property
    def requires_grad(self) -> bool:
        """Whether it is trained."""
        return self._trained

    @requires_grad.setter
    def requires_grad(self, mode: bool) -> None:
        self.requires_grad_(mode)

    @property
    def is_leaf(self) -> bool:
        """Always True: a Parameter is never the result of an operation."""
        return True

    # --- what it collected -------------------------------------------------------------------------

    def _accumulator(self) -> Accumulator:
        return self._n.acc  # type: ignore[attr-defined,no-any-return]

    @property
    def scores(self) -> list[ScoreRecord]:
        """Scores that reached it in this context, ordered by (item, edge)."""
        return by_item(self._accumulator().scores)

    @property
    def episodes(self) -> list[Episode]:
        """Demo evidence that reached it in this context, ordered by item."""
        return by_item(self._accumulator().episodes)

    @property
    def peers(self) -> tuple[Parameter[Any], ...]:
        """Parameters that reach the same model call as this one, as far as calls were recorded; see ``trace.peers``."""
        return peers_of(self)

    def zero_grad(self) -> None:
        """Forget gradients, scores and episodes collected in this context."""
        self._accumulator().clear()

    def __repr__(self) -> str:
        if self.kind == "tensor":
            value = self._n.value
            dtype = str(value.dtype).capitalize()
            return f"Parameter (name={self.name}, shape={tuple(value.shape)}, dtype={dtype}, requires_grad={self._trained})"
        return f"parameter({brief(self._n.value)}, name={self.name}, role={self.role}, requires_grad={self._trained})"

    def __str__(self) -> str:
        """The value as text, noted as a read; of a Tensor its description (as its document prints)."""
        return repr(self) if self.kind == "tensor" else str(self.value)

    def __reduce__(self) -> Any:
        meta = self._meta
        kind, spec = (meta.space.kind, meta.space.spec()) if meta.space is not None else (None, None)
        return (_rebuild, (kind, spec, self.value, meta.role, self._trained, meta.name))

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """A Parameter with the same value, flags and space, and a cell of its own."""
        meta = self._meta
        copy: Parameter[T] = Parameter(
            self.value,
            meta.role,
            self._trained,
            name=meta.name,
            space=meta.space,
            constraint=meta.constraint,
            layerwise_parallel=meta.layerwise_parallel,
        )
        copy._meta.path = meta.path
        memo[id(self)] = copy
        return copy


def _empty(space: Any) -> Any:
    """The value of a Parameter without data: no demos for Demos, else None."""
    return () if space is not None and space.kind == "demos" else None


def _rebuild(kind: str | None, spec: Any, value: Any, role: str | None, trained: bool, name: str | None) -> Parameter[Any]:
    """A Parameter from its constructor's arguments, for copies in other processes."""
    space = registry.spaces.get(kind).from_spec(spec) if kind else None
    return Parameter(value, role, trained, name=name, space=space)


def param(value: T, role: str | None = None, *, name: str | None = None, space: Any = None, constraint: Any = None, store: Any = None) -> T:
    """A Parameter, typed as its value for the editor, so that it can be handed to typed functions."""
    made: Any = Parameter(value, role, name=name, space=space, constraint=constraint, store=store)
    return made  # type: ignore[no-any-return]
