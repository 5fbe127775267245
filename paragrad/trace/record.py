"""Recording: how a call on Variables becomes a node.

The generated operators have a fast path of their own (:mod:`paragrad.trace.methods`); everything
else comes here: nested arguments, hooks, calls inside other calls, components built by hand.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

from paragrad.context import current_scope
from paragrad.trace.foreign import without_tensors
from paragrad.trace.nodes import REQUIRING, Const, Node, Path, Record1, Record2, RecordN, Untrained, extra_of
from paragrad.trace.operation import Operation
from paragrad.trace.state import STATE, State
from paragrad.trace.values import ATOMS, freeze, settle, thaw
from paragrad.trace.variable import Variable, wrap

_new = object.__new__


class Edges:
    """The Variables found in a call's arguments, with the path of each."""

    __slots__ = ("nodes", "paths")

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.paths: list[Path] = []

    def add(self, path: Path, node: Node) -> None:
        self.nodes.append(node)
        self.paths.append(path)

    def plain(self, value: Any, path: Path) -> Any:
        """``value`` with every Variable in it replaced by its plain value, each noted as an edge."""
        cls = value.__class__
        if cls in ATOMS:
            return value
        if isinstance(value, Variable):
            node = value._n
            self.nodes.append(node)
            self.paths.append(path)
            return node.value if node.value.__class__ in ATOMS else thaw(node.value)
        if cls is list or cls is tuple:
            items = []
            for i, x in enumerate(value):
                items.append(x if x.__class__ in ATOMS else self.plain(x, (path, i)))
            return items if cls is list else tuple(items)
        if cls is dict:
            named = {}
            for key, x in value.items():
                named[key] = x if x.__class__ in ATOMS else self.plain(x, (path, key))
            return named
        return value

    def both(self, value: Any, path: Path) -> tuple[Any, Any]:
        """An argument as the function gets it, see :meth:`plain`, and as a record keeps it: a copy that the function cannot change."""
        cls = value.__class__
        if cls in ATOMS:
            return value, value
        if cls is list or cls is tuple:
            items, kept = [], []
            for i, x in enumerate(value):
                a, b = (x, x) if x.__class__ in ATOMS else self.both(x, (path, i))
                items.append(a)
                kept.append(b)
            return (items, kept) if cls is list else (tuple(items), tuple(kept))
        if cls is dict:
            named, same = {}, {}
            for key, x in value.items():
                named[key], same[key] = (x, x) if x.__class__ in ATOMS else self.both(x, (path, key))
            return named, same
        if isinstance(value, Variable):
            node = value._n
            self.nodes.append(node)
            self.paths.append(path)
            found = node.value
            return found if found.__class__ in ATOMS else thaw(found), found
        return value, freeze(value)


def make(state: State, value: Any, op: Operation, nodes: Sequence[Any], paths: Sequence[Path] | None = None) -> Node:
    """A record of ``op``, or a constant when nothing is recorded.

    Generated operators are recorded when an operand requires a gradient; the user's own operations
    always, so that their graph can be drawn.
    """
    operator = op.kind == "operator"
    if not state.record:
        return Const(value)
    node = recorded(value, op, nodes)
    if operator and not node.requires:
        return Const(value)
    if paths is not None:
        extra_of(node).paths = tuple(paths)
    if not operator and (scope := current_scope()) is not None:
        extra_of(node).item = scope.at.item
    for hook in state.hooks:
        hook(wrap(node))
    return node


def recorded(value: Any, op: Operation, nodes: Sequence[Any]) -> Node:
    """A record of ``op``; gradients flow through it when an operand requires one."""
    node: Any
    for n in nodes:
        if n.__class__ in REQUIRING:
            break
    else:
        node = _new(Untrained)
        node.value, node.op, node.extra, node.args = value, op, None, tuple(nodes)
        return node  # type: ignore[no-any-return]
    if len(nodes) == 1:
        node = _new(Record1)
        (node.a,) = nodes
    elif len(nodes) == 2:
        node = _new(Record2)
        node.a, node.b = nodes
    else:
        node = _new(RecordN)
        node.args = tuple(nodes)
    node.value, node.op, node.extra = value, op, None
    return node  # type: ignore[no-any-return]


def relay(op: Operation, operand: Node) -> Node:
    """A record of ``op`` with the value of its one operand."""
    return recorded(operand.value, op, (operand,))


def operate(op: Operation, args: Sequence[Any], kwargs: Mapping[str, Any] = MappingProxyType({})) -> Variable[Any]:
    """Apply a generated operator to Variables and plain values, at any nesting."""
    state = STATE.get()
    if not state.fast and state.parallel is not None and state.parallel.among(args, kwargs):
        return state.parallel.step(op.title, partial(_operated, op), *args, **kwargs)  # type: ignore[no-any-return]
    edges = Edges()
    names = op.names(len(args))
    plain = [edges.plain(x, name) for name, x in zip(names, args, strict=True)]
    if "torch" in sys.modules:
        plain = list(without_tensors(plain, edges.nodes))
    named = {key: edges.plain(x, key) for key, x in kwargs.items()}
    value = settle(op.fn(*plain, **named), plain[0])
    if not kwargs and len(edges.nodes) == sum(isinstance(x, Variable) for x in args):
        return wrap(make(state, value, op, [x._n if isinstance(x, Variable) else freeze(y) for x, y in zip(args, plain, strict=True)]))
    node = make(state, value, op, edges.nodes, edges.paths)
    if node.op is not None:
        extra_of(node).args = MappingProxyType(
            {**dict(zip(names, map(freeze, plain), strict=True)), **{k: freeze(x) for k, x in named.items()}}
        )
    return wrap(node)


def _operated(op: Operation, *args: Any, **kwargs: Any) -> Variable[Any]:
    return operate(op, args, kwargs)


def component(
    value: Any, name: str, predecessors: Sequence[Variable[Any]] | Mapping[str, Variable[Any]], input_args: Mapping[str, Any] | None
) -> Node:
    """A component's output built by hand: its value, what it was made from, what it was called with."""
    from paragrad.trace.call import Call

    named = predecessors if isinstance(predecessors, Mapping) else {f"x{i}": p for i, p in enumerate(predecessors)}
    for key, p in named.items():
        if not isinstance(p, Variable):
            raise TypeError(
                f"predecessor {key} is {p!r} of type {type(p).__name__}; predecessors are Variables: wrap it with pg.Variable(...)"
            )
    op = Operation(name, _built_by_hand, kind="component")
    node = make(STATE.get(), value, op, [p._n for p in named.values()], list(named))
    extra_of(node).call = Call(input_args=snapshot(input_args or {}))
    return node


def snapshot(args: Mapping[str, Any]) -> Mapping[str, Any]:
    """An immutable copy of what a component was called with; Variables become their values."""
    edges = Edges()
    return MappingProxyType({name: freeze(edges.plain(value, name)) for name, value in args.items()})


def _built_by_hand(*_: Any) -> Any:
    raise RuntimeError("this Variable was built by hand; it has no function to call")
