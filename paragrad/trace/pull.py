"""Pull: one propagator carrying its gradients along the order of a backward.

Two ways through the same order. The plain way (:mod:`paragrad.trace.plain`) is for propagators that
merge locally. The general way serves slow pulls, recorded backwards and chosen inputs: a slow pull
begins as soon as all consumers of its record have been pulled, beside every other one that is under way.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

from paragrad import registry
from paragrad.context import Scope, current_scope, scope
from paragrad.trace.nodes import FLOWING, REQUIRING, Node
from paragrad.trace.operation import PASS, STOP
from paragrad.trace.plain import pull_plain
from paragrad.trace.pullback import nested_rules, whole_rule
from paragrad.trace.spread import dense
from paragrad.trace.structure import is_wanted
from paragrad.trace.variable import wrap
from paragrad.trace.views import RecordView, operand_values

Incoming = list[tuple[int, int, Any]]
Arrival = tuple[Any, Any, Any, Any, int]


class Sweep:
    """Runs propagators over one order and collects what arrives at leaves.

    Attributes:
        order: records, consumers first. ``wanted``: leaves that may get gradients, or None for all.
        create_graph: whether the backward itself is recorded.
        arrivals: (leaf or retained record, propagator, gradient, consumer, position).
        gathered: a propagator that needs no tags, and gradients by leaf.
    """

    def __init__(self, order: list[Any], wanted: set[Any] | None, create_graph: bool) -> None:
        self.order = order
        self.wanted = wanted
        self.create_graph = create_graph
        self.arrivals: list[Arrival] = []
        self.gathered: list[tuple[Any, dict[Node, list[Any]]]] = []

    @cached_property
    def index(self) -> dict[Node, int]:
        """The structural number of each record."""
        return {node: i for i, node in enumerate(self.order)}

    def parted(self, leaves: Container[Any]) -> tuple[Sweep, Sweep]:
        """What was found, without and with these leaves."""
        found = []
        for inside in (False, True):
            part = Sweep([], None, False)
            part.arrivals = [arrival for arrival in self.arrivals if (arrival[0] in leaves) is inside]
            part.gathered = [(p, {n: g for n, g in each.items() if (n in leaves) is inside}) for p, each in self.gathered]
            found.append(part)
        return found[0], found[1]

    def run(self, propagator: Any, seeds: Mapping[Node, Any]) -> None:
        """Carry ``seeds`` to the leaves."""
        for node, gradient in seeds.items():
            if node.__class__ not in FLOWING and self.wants(node):
                self.arrivals.append((node, propagator, gradient, None, 0))
        if propagator.local is not None and not self.create_graph and self.wanted is None:
            pull_plain(self, propagator, seeds)
        else:
            _General(self, propagator, seeds).run()

    def wants(self, operand: Any) -> bool:
        """Whether a gradient flows to ``operand``."""
        cls = operand.__class__
        if cls not in REQUIRING or self.wanted is None:
            return cls in REQUIRING
        return operand in self.index if cls in FLOWING else is_wanted(operand, self.wanted)

    def gradients(self, propagator: Any, node: Any, g: Any) -> Sequence[Any]:
        """The gradient of every operand: the operation's own rule, or the propagator's default."""
        rules = node.op.rules.get(propagator.kind, propagator.default)
        wanted = [self.wants(operand) for operand in node.operands()]
        if rules is None:
            return propagator.pull(RecordView(node, self.create_graph, wanted), g)  # type: ignore[no-any-return]
        if rules is PASS:
            return [g if want else None for want in wanted]
        out = wrap(node) if self.create_graph else node.value
        if isinstance(rules, tuple) and node.extra is not None and node.extra.args is not None:
            return nested_rules(rules, g, out, node)
        if isinstance(rules, tuple):
            values = operand_values(node, self.create_graph)
            padded = rules + (STOP,) * (len(values) - len(rules))
            return [rule(g, out, *values) if want else None for rule, want in zip(padded, wanted, strict=False)]
        return whole_rule(rules, propagator, g, out, node, self.create_graph)


class _General:
    """One propagator on its way; a record is pulled when all its consumers have been.

    What comes when depends on the critics. The order of contributions, of arrivals and of coordinates
    does not: they go by the structural number of the record.
    """

    def __init__(self, sweep: Sweep, propagator: Any, seeds: Mapping[Node, Any]) -> None:
        self.sweep = sweep
        self.propagator = propagator
        self.incoming: dict[Node, Incoming] = {node: [(-1, 0, g)] for node, g in seeds.items()}
        self.waiting = _consumers(sweep.order)
        self.cheap: list[Any] = []
        self.slow: list[Any] = []
        self.found: dict[int, list[Arrival]] = {}
        outer = current_scope()
        self.within = None if outer is None else outer.child()

    def run(self) -> None:
        """Pull everything."""
        for node in self.sweep.order:
            if not self.waiting[node]:
                self._open(node)
        tasks = self._tasks()
        if tasks:
            registry.facets.get("flow")(tasks, self._answered)
        for position in sorted(self.found):
            self.sweep.arrivals.extend(self.found[position])

    def _open(self, node: Any) -> None:
        asks = node in self.incoming and self.propagator.slow(node.op)
        (self.slow if asks else self.cheap).append(node)

    def _tasks(self) -> list[Any]:
        """Pull everything cheap that is ready; the slow pulls that are then possible: number, call, scope."""
        while self.cheap:
            node = self.cheap.pop()
            g = self._arrived(node)
            if g is None or node.op.kind == "operator":
                self._send(node, self.sweep.gradients(self.propagator, node, g) if g is not None else ())
            else:
                with scope(self._scope(node)):
                    self._send(node, self.sweep.gradients(self.propagator, node, g))
        ready, self.slow = self.slow, []
        pull = partial(self.sweep.gradients, self.propagator)
        return [(self.sweep.index[node], partial(pull, node, self._arrived(node)), self._scope(node)) for node in ready]

    def _answered(self, at: int, gradients: Sequence[Any]) -> list[Any]:
        """Hand on what a slow pull gave; the slow pulls that became possible."""
        self._send(self.sweep.order[at], gradients)
        return self._tasks()

    def _scope(self, node: Any) -> Scope | None:
        """Where the effects of pulling ``node`` happen."""
        return None if self.within is None else self.within.part(self.sweep.index[node])

    def _arrived(self, node: Any) -> Any:
        """The merged gradient at ``node``, in the order of (consumer, operand); None when nothing came."""
        parts = self.incoming.pop(node, None)
        if parts is None:
            return None
        parts.sort(key=_place)
        g = dense(parts[0][2] if len(parts) == 1 else self.propagator.merge([part for _, _, part in parts]))
        if is_retained(node):
            self.found.setdefault(self.sweep.index[node], []).append((node, self.propagator, g, None, 0))
        return g

    def _send(self, node: Any, gradients: Sequence[Any]) -> None:
        """Hand gradients to the operands, and open those that waited for this record alone."""
        at = self.sweep.index[node]
        for i, operand in enumerate(node.operands()):
            part = gradients[i] if i < len(gradients) else None
            if part is not None and self.sweep.wants(operand):
                if operand.__class__ in FLOWING:
                    self.incoming.setdefault(operand, []).append((at, i, part))
                else:
                    self.found.setdefault(at, []).append((operand, self.propagator, part, node, i))
            if operand.__class__ in FLOWING and operand in self.waiting:
                self.waiting[operand] -= 1
                if not self.waiting[operand]:
                    self._open(operand)


def is_retained(node: Any) -> bool:
    """Whether the gradient of a record is kept."""
    return node.extra is not None and node.extra.retained is not None


def _consumers(order: Sequence[Any]) -> dict[Node, int]:
    """How many edges each record waits for."""
    waiting = dict.fromkeys(order, 0)
    for node in order:
        for operand in node.operands():
            if operand.__class__ in FLOWING and operand in waiting:
                waiting[operand] += 1
    return waiting


def _place(part: tuple[int, int, Any]) -> tuple[int, int]:
    return part[:2]
