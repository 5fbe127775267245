"""Variable: a handle on one node of the graph.

The contract is PyTorch's, on any kind of value (source: the Variable document): leaves collect
``.grad``, operations are recorded from the first leaf that requires a gradient, ``backward`` walks
back. Operators and methods come from the table in :mod:`paragrad.trace.operators`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Generic, Self, TypeVar
from uuid import uuid4
from weakref import ref

from paragrad.trace.call import call_of
from paragrad.trace.collecting import Collecting
from paragrad.trace.nodes import Const, Extra, Leaf, Node, Record, edges, extra_of, peek
from paragrad.trace.operation import Operation
from paragrad.trace.state import STATE
from paragrad.trace.values import brief, check_data, freeze, is_floating, thaw

T = TypeVar("T")

_new = object.__new__


class Variable(Collecting, Generic[T]):
    """A value in the graph.

    Args:
        data: text, numbers, bools, JSON-like containers, arrays; other objects with ``space=Opaque()``.
        role: what the value is for, in words; shown to critics and optimizers.
        requires_grad: whether operations on it are recorded and gradients collected.
        name: a label.
        space: the kind of value, checked on every assignment.
        predecessors: Variables this value was made from by hand: a sequence, or {argument: Variable}.
        input_args: what the component was called with, kept as an immutable snapshot.

    Raises:
        TypeError: naming the element of ``data`` that cannot be a value.
    """

    __slots__ = ("_n",)

    _n: Node

    def __init__(
        self,
        data: Any = None,
        role: str | None = None,
        requires_grad: bool = False,
        *,
        name: str | None = None,
        space: Any = None,
        predecessors: Sequence[Variable[Any]] | Mapping[str, Variable[Any]] = (),
        input_args: Mapping[str, Any] | None = None,
    ) -> None:
        if isinstance(data, Variable):
            data = data._n.value
        value = freeze(space.check(data)) if space is not None else check_data(data)
        if predecessors or input_args is not None:
            from paragrad.trace.record import component

            self._n = component(value, name or role or "component", predecessors, input_args)
        else:
            self._n = Leaf(value) if requires_grad else Const(value)
        extra = extra_of(self._n)
        extra.role, extra.name, extra.space = role, name, space
        if not isinstance(self._n, Record):
            extra.handle = ref(self)
            reads = STATE.get().reads
            if reads is not None and reads.strict:
                reads.declare(self._n)

    # --- the value ---------------------------------------------------------------------------------

    @property
    def value(self) -> T:
        """The raw value; containers are copies."""
        node = self._n
        note_read(node)
        result: T = thaw(node.value)
        return result

    @property
    def data(self) -> T:
        """The raw value; assigning checks first and leaves the Variable unchanged on error."""
        return self.value

    @data.setter
    def data(self, value: Any) -> None:
        if isinstance(self._n, Record) and self._n.requires:
            raise RuntimeError("this Variable was made by an operation, so its data cannot be assigned; use detach() first, or copy_()")
        self._replace(self._check(value))

    def _check(self, value: Any) -> Any:
        if isinstance(value, Variable):
            value = value._n.value
        space = self._space()
        return freeze(space.check(value)) if space is not None else check_data(value)

    def _space(self) -> Any:
        extra = peek(self._n)
        return extra.space if extra is not None else None

    def _replace(self, value: Any, requires_grad: bool | None = None) -> None:
        """Point at a new leaf with the old one's identity and gradients; what was recorded keeps the old one."""
        node = self._n
        requires = node.requires if requires_grad is None else requires_grad
        kept = (
            node.acc if isinstance(node, Leaf) else node.extra.retained if node.extra is not None and not isinstance(node, Record) else None
        )
        made: Any = Leaf(value) if requires else Const(value)
        if requires and kept is not None:
            made.acc = kept
        made.extra = node.extra.identity() if node.extra is not None else Extra()
        made.extra.retained = None if requires else kept
        made.extra.handle = ref(self)
        self._n = made

    @property
    def role(self) -> str | None:
        """What the value is for, in words."""
        return self._role()

    @role.setter
    def role(self, role: str | None) -> None:
        extra_of(self._n).role = role

    def _role(self) -> str | None:
        extra = self._n.extra
        return extra.role if extra is not None else None

    @property
    def name(self) -> str | None:
        """A label."""
        extra = peek(self._n)
        return extra.name if extra is not None else None

    @name.setter
    def name(self, name: str | None) -> None:
        extra_of(self._n).name = name

    @property
    def variable_id(self) -> str:
        """Unique and stable; copies and other processes get their own."""
        extra = extra_of(self._n)
        if extra.id is None:
            extra.id = uuid4().hex
        return extra.id

    # --- the graph ---------------------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to or through this Variable."""
        return self._n.requires

    @requires_grad.setter
    def requires_grad(self, mode: bool) -> None:
        self.requires_grad_(mode)

    def requires_grad_(self, mode: bool = True) -> Self:
        """Change in place whether operations on this Variable are recorded; returns it."""
        if not isinstance(mode, bool):
            raise TypeError(f"requires_grad is True or False, not {mode!r}")
        node = self._n
        if mode != node.requires:
            if isinstance(node, Record) and node.requires:
                raise RuntimeError("requires_grad of a non-leaf cannot be switched off; use detach()")
            self._replace(node.value, mode)
        return self

    @property
    def is_leaf(self) -> bool:
        """True unless a recorded operation made this Variable and it requires a gradient."""
        node = self._n
        return not (isinstance(node, Record) and node.requires)

    @property
    def grad_fn(self) -> Operation | None:
        """The operation that made this Variable, or None for a leaf."""
        return self._n.op if self._n.requires else None

    @property
    def predecessors(self) -> Mapping[str, Variable[Any]]:
        """Ordered, named edges: argument to the Variable it came from.

        Raises:
            RuntimeError: the graph was freed by ``backward``.
        """
        node = self._n
        if isinstance(node, Record) and node.op is None:
            raise RuntimeError("the graph was freed by backward; look before, or call backward(retain_graph=True)")
        return {name: handle_of(operand) for name, operand in edges(node)}

    @property
    def call(self) -> Any:
        """The story of the call that made this value: input_args, raw_response, error, usage, started, ended; or None."""
        return call_of(self._n)

    def graph(self) -> Any:
        """The graph behind this Variable, to draw: ``.svg(path)``, ``.mermaid()``, ``.to_dict()``."""
        from paragrad.trace.drawing import Graph

        return Graph(self._n)

    def detach(self) -> Variable[T]:
        """A new Variable with the same data and no history."""
        made: Variable[T] = wrap(Const(freeze(thaw(self._n.value))))
        extra = extra_of(made._n)
        extra.role, extra.name, extra.space = self.role, self.name, self._space()
        return made

    def copy_(self, src: Variable[Any]) -> Self:
        """Take data, role and requires_grad of ``src``; nothing changes on error.

        Raises:
            TypeError: ``src`` is not a Variable.
            ValueError: another kind, length or element type (int to float may widen).
        """
        from paragrad.trace.copying import copied_value

        if not isinstance(src, Variable):
            raise TypeError(f"copy_ takes a Variable, not {brief(src)} of type {type(src).__name__}; wrap it: pg.Variable(...)")
        value = self._check(copied_value(self._n.value, src._n.value))
        role = src.role
        self._replace(value, src.requires_grad)
        self.role = role
        return self

    def is_floating_point(self) -> bool:
        """Whether the data is a float, or only floats."""
        return is_floating(self._n.value)

    def to(self, dtype: Any = None) -> Variable[Any]:
        """Cast to ``dtype`` (``int``, ``float``, ``str``, ``bool`` or an array's dtype), lists by element; tracked.

        Raises:
            TypeError: an unknown dtype.
        """
        from paragrad.trace.copying import known_dtype

        if dtype is None:
            return self
        cast: Variable[Any] = self.cast(known_dtype(dtype, self._n.value))  # type: ignore[attr-defined]
        cast.role = self.role
        return cast

    # --- protocol ----------------------------------------------------------------------------------

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        node = self._n
        op = node.op
        last = f"grad_fn={op!r}" if op is not None and node.requires else f"requires_grad={node.requires}"
        return f"variable({brief(node.value)}, role={self.role}, {last})"

    def __reduce__(self) -> Any:
        return (type(self), (thaw(self._n.value), self.role, self.requires_grad))

    def __copy__(self) -> Variable[T]:
        return self.__deepcopy__({})

    def __deepcopy__(self, memo: dict[int, Any]) -> Variable[T]:
        """A leaf with the same data, role and flags, and an identity of its own."""
        copy: Variable[T] = Variable.__new__(type(self))
        value = freeze(thaw(self._n.value))
        copy._n = Leaf(value) if self._n.requires else Const(value)
        extra = extra_of(copy._n)
        extra.role, extra.name, extra.space, extra.handle = self.role, self.name, self._space(), ref(copy)
        memo[id(self)] = copy
        return copy


def wrap(node: Node) -> Variable[Any]:
    """A new handle on ``node``."""
    variable: Variable[Any] = _new(Variable)
    variable._n = node
    return variable


def handle_of(node: Node) -> Variable[Any]:
    """The Variable of a leaf, if it is still alive; else an interchangeable handle."""
    owner = getattr(node, "cell", None)
    extra = peek(node)
    weak = owner.handle if owner is not None else extra.handle if extra is not None else None
    alive = weak() if weak is not None else None
    return alive if alive is not None else wrap(node)


def note_read(node: Node) -> None:
    """Tell the enclosing call that it read this value as a plain one."""
    reads = STATE.get().reads
    if reads is not None:
        reads.note(node)
