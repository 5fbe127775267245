"""Recording: how a call on Variables becomes a node.

The generated operators have a fast path of their own (:mod:`paragrad.trace.methods`); everything
else comes here: nested arguments, hooks, calls inside other calls, components built by hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

from paragrad.context import current_scope
from paragrad.trace.nodes import REQUIRING, Const, Node, Path, Record1, Record2, RecordN, Untrained, extra_of
from paragrad.trace.operation import Operation
from paragrad.trace.state import STATE, State
from paragrad.trace.values import ATOMS, freeze, settle, thaw
from paragrad.trace.variable import Variable, wrap


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


def make(state: State, value: Any, op: Operation, nodes: Sequence[Any], paths: Sequence[Path] | None = None) -> Node:
    """A record of ``op``, or a constant when nothing is recorded.

    Generated operators are recorded when an operand requires a gradient; the user's own operations
    always, so that their graph can be drawn.
    """
    requires = False
    for n in nodes:
        if n.__class__ in REQUIRING:
            requires = True
            break
    if not state.record or (op.kind == "operator" and not requires):
        return Const(value)
    node: Any
    if not requires:
        node = Untrained()
        node.args = tuple(nodes)
    elif len(nodes) == 1:
        node = Record1()
        node.a = nodes[0]
    elif len(nodes) == 2:
        node = Record2()
        node.a, node.b = nodes
    else:
        node = RecordN()
        node.args = tuple(nodes)
    node.value, node.op, node.extra = value, op, None
    if paths is not None:
        extra_of(node).paths = tuple(paths)
    if op.kind != "operator":
        scope = current_scope()
        if scope is not None:
            extra_of(node).item = scope.at.item
    for hook in state.hooks:
        hook(wrap(node))
    return node  # type: ignore[no-any-return]


def relay(op: Operation, operand: Node) -> Node:
    """A record of ``op`` with the value of its one operand."""
    node: Record1 | Untrained
    if operand.requires:
        node = Record1()
        node.a = operand
    else:
        node = Untrained()
        node.args = (operand,)
    node.value, node.op, node.extra = operand.value, op, None
    return node


def operate(op: Operation, args: Sequence[Any], kwargs: Mapping[str, Any] = MappingProxyType({})) -> Variable[Any]:
    """Apply a generated operator to Variables and plain values, at any nesting."""
    state = STATE.get()
    if not state.fast and state.parallel is not None and state.parallel.among(args, kwargs):
        return state.parallel.step(op.title, partial(_operated, op), *args, **kwargs)  # type: ignore[no-any-return]
    edges = Edges()
    names = op.names(len(args))
    plain = [edges.plain(x, name) for name, x in zip(names, args, strict=True)]
    named = {key: edges.plain(x, key) for key, x in kwargs.items()}
    value = settle(op.fn(*plain, **named), plain[0])
    if not kwargs and len(edges.nodes) == sum(isinstance(x, Variable) for x in args):
        return wrap(make(state, value, op, [x._n if isinstance(x, Variable) else freeze(x) for x in args]))
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
