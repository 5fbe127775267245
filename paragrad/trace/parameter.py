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
from paragrad.protocols.store import Entry
from paragrad.trace.cell import Cell
from paragrad.trace.collected import Collected
from paragrad.trace.deferred import MAKING, Deferred, fitting, is_lazy
from paragrad.trace.described import Described, Meta, checked_flag, checked_name, checked_space, refuse_unnamed
from paragrad.trace.nodes import FrozenVersion, Node, Version
from paragrad.trace.numeric import Numeric
from paragrad.trace.pickling import reduced
from paragrad.trace.state import STATE, before_write
from paragrad.trace.values import ATOMS, brief, freeze, thaw
from paragrad.trace.variable import Variable

T = TypeVar("T")


class Parameter(Described, Deferred, Numeric, Collected, Variable[T]):  # type: ignore[misc]  # its name is never None
    """A trainable value: a prompt, demos, code, a choice, a number, a tensor.

    Args:
        data: the first value; None leaves it unset until the first assignment. An initializer's array is made when it is first read.
        role: what it is for, in words; defaults to its path in the program.
        requires_grad: whether it is trained.
        name: its id in stores and records; defaults to its path from the program.
        space: the kind of value; by default found from the type of ``data``.
        constraint: a rule for proposals: words for the optimizer, or a function that returns True or
            what is wrong, or a sequence of both.
        layerwise_parallel: whether data-parallel training leaves it alone.
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
        found = space is None and data is not None
        if found:
            space = registry.facets.get("space_for")(data, parameter=True)
        elif space is not None:
            checked_space(space)
        if requires_grad.__class__ is not bool or layerwise_parallel.__class__ is not bool:
            checked_flag("requires_grad", requires_grad)
            checked_flag("layerwise_parallel", layerwise_parallel)
        meta = Meta()
        meta.space = space
        if name is not None:
            meta.name = checked_name(name)
        if role is not None or constraint is not None or store is not None:
            meta.role, meta.constraint, meta.store = role, constraint, store
        if layerwise_parallel:
            meta.layerwise_parallel = True
        self._meta = meta
        if instruction_to_optimizer is not None or instruction_to_critic is not None:
            meta.instruction_to_optimizer, meta.instruction_to_critic = instruction_to_optimizer, instruction_to_critic
        if data is None:
            self._begin(meta, requires_grad, _empty(space))
        elif is_lazy(data) and (found or (hasattr(space, "fitted") and space.kind != "number")):
            self._begin(meta, requires_grad, None, data if found else fitting(data, space))
        else:
            self._begin(meta, requires_grad, space.check(data) if found and space.kind == "tensor" else self.checked(data))
        if store is not None and name is not None:
            self.bind_store()

    def _begin(self, meta: Meta, trained: bool, value: Any, pending: Any = None) -> None:
        """Start as version 1 with a checked value or an initializer. An array's cell and version wait, see ``Deferred``."""
        self._meta = meta
        self._trained = trained
        self._bound: Any = None
        self._lost = False
        if pending is not None:
            meta.pending = pending
        elif meta.space is not None and meta.space.kind == "tensor":
            meta.start = value
        else:
            self._cell = cell = Cell(self, 1)
            self._leaf: Version | None = (Version if trained else FrozenVersion)(value, 1, cell)
            meta.history.append(Entry(1, value, time.time()))

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
        if self._bound is None:
            return self._first()
        value, version = self._bound.current()
        if version != self._cell.current:
            self._cell.current = version
        return self._version(value, version)

    def _version(self, value: Any, version: int, cell: Cell | None = None) -> Version:
        return (Version if self._trained else FrozenVersion)(value, version, cell or self._cell)

    # --- writing -----------------------------------------------------------------------------------

    def checked(self, value: Any) -> Any:
        """``value`` as this Parameter keeps it, or the space's error."""
        meta = self._meta
        if isinstance(value, Variable):
            value = value.value
        if meta.space is None:
            meta.space = registry.facets.get("space_for")(value, parameter=True)
        space = meta.space
        kept = space.check(value)
        return kept if getattr(space, "settles", False) else freeze(kept)

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
        over = before_write().overlay
        if over is not None:
            return over.write(self, value)
        if self._meta.store is not None:
            refuse_unnamed(self)
            self.bind_store()
            return self._bound.write(value)  # type: ignore[no-any-return]
        self._set_live(value)
        return self._cell.current

    def _set_live(self, value: Any) -> None:
        cell, meta = self._cell, self._meta
        if meta.pending is not None:
            with MAKING:
                cell.current += 1
                self._leaf, meta.pending = self._version(value, cell.current), None
            return
        cell.current += 1
        self._leaf = self._version(value, cell.current)
        if meta.space is None or meta.space.kind != "tensor":
            meta.history.append(Entry(cell.current, value, time.time()))

    def _replace(self, value: Any, requires_grad: bool | None = None) -> None:
        self.write(value)
        if requires_grad is not None and requires_grad != self._trained:
            self.requires_grad_(requires_grad)

    def requires_grad_(self, mode: bool = True) -> Self:
        """Say whether this Parameter is trained."""
        checked_flag("requires_grad", mode)
        before_write()
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

    def __str__(self) -> str:
        """The value as text, noted as a read; of a Tensor its description (as its document prints)."""
        return repr(self) if self.kind == "tensor" else str(self.value)

    def __reduce__(self) -> Any:
        return reduced(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """A Parameter with the same value, flags and space, and a cell of its own."""
        copy = self.clone()
        copy._meta.path = self._meta.path
        memo[id(self)] = copy
        return copy


def _empty(space: Any) -> Any:
    """The value of a Parameter without data: no demos for Demos, else None."""
    return () if space is not None and space.kind == "demos" else None


def param(value: T, role: str | None = None, *, name: str | None = None, space: Any = None, constraint: Any = None, store: Any = None) -> T:
    """A Parameter, typed as its value for the editor, so that it can be handed to typed functions."""
    made: Any = Parameter(value, role, name=name, space=space, constraint=constraint, store=store)
    return made  # type: ignore[no-any-return]
