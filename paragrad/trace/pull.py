"""Pull: one propagator carrying its gradients along the order of a backward.

Two ways through the same order. The plain way is for propagators whose contributions merge locally
and whose rules are one function per edge; it is what makes a backward over a million operations
take seconds. The general way serves rules for whole operations, recorded backwards and slow pulls:
everything cheap that is ready is pulled first, then all slow pulls that are ready run at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from paragrad import registry
from paragrad.trace.nodes import Node, Record, Version, edge_names, peek
from paragrad.trace.operation import PASS, STOP, Operation
from paragrad.trace.variable import wrap

_MISSING = object()
Incoming = list[tuple[int, int, Any]]


class RecordView:
    """A record as a propagator's default rule sees it.

    Attributes:
        node: the record. ``gradient flags``: ``wanted[i]`` says whether operand i needs a gradient.
    """

    __slots__ = ("create_graph", "node", "wanted")

    def __init__(self, node: Any, create_graph: bool, wanted: Sequence[bool]) -> None:
        self.node = node
        self.create_graph = create_graph
        self.wanted = wanted

    @property
    def op(self) -> Operation:
        """The operation."""
        found: Operation = self.node.op
        return found

    @property
    def value(self) -> Any:
        """The output's raw value."""
        return self.node.value

    @property
    def names(self) -> tuple[str, ...]:
        """The argument every operand came through."""
        return edge_names(self.node)

    @property
    def item(self) -> Any:
        """The item in which it was recorded, or None."""
        extra = peek(self.node)
        return extra.item if extra is not None else None

    @property
    def call(self) -> Any:
        """The component's story, or None."""
        extra = peek(self.node)
        return extra.call if extra is not None else None

    @property
    def operands(self) -> list[Any]:
        """Raw operand values in edge order; Variables when the backward itself is recorded."""
        return operand_values(self.node, self.create_graph)

    @property
    def nodes(self) -> tuple[Any, ...]:
        """Operands as recorded."""
        return self.node.operands()  # type: ignore[no-any-return]


def operand_values(node: Any, create_graph: bool) -> list[Any]:
    """Operand values: raw, or Variables when the backward itself is recorded."""
    if create_graph:
        return [wrap(x) if isinstance(x, Node) else x for x in node.operands()]
    return [x.value if isinstance(x, Node) else x for x in node.operands()]


class Sweep:
    """Runs propagators over one order and collects what arrives at leaves.

    Attributes:
        arrivals: (leaf or retained record, propagator, gradient, consumer, position).
    """

    __slots__ = ("arrivals", "create_graph", "index", "order", "wanted")

    def __init__(self, order: list[Any], index: Mapping[Node, int], wanted: set[Any] | None, create_graph: bool) -> None:
        self.order = order
        self.index = index
        self.wanted = wanted
        self.create_graph = create_graph
        self.arrivals: list[tuple[Any, Any, Any, Any, int]] = []

    def run(self, propagator: Any, seeds: Mapping[Node, Any]) -> None:
        """Carry ``seeds`` to the leaves."""
        for node, gradient in seeds.items():
            if not isinstance(node, Record):
                self.arrivals.append((node, propagator, gradient, None, 0))
        if propagator.local is not None and not self.create_graph and self.wanted is None:
            self._plain(propagator, dict(seeds))
        else:
            self._general(propagator, seeds)

    # --- the plain way -----------------------------------------------------------------------------

    def _plain(self, propagator: Any, grads: dict[Node, Any]) -> None:
        kind, merge, default = propagator.kind, propagator.local, propagator.default
        arrivals = self.arrivals
        take, get = grads.pop, grads.get
        for node in self.order:
            g = take(node, _MISSING)
            if g is _MISSING:
                continue
            self._retain(node, propagator, g)
            rules = node.op.rules.get(kind, default)
            values = None
            for i, operand in enumerate(node.operands()):
                if not (isinstance(operand, Node) and operand.requires):
                    continue
                rule = rules if rules is PASS else rules[i] if rules.__class__ is tuple and i < len(rules) else None
                if rule is PASS:
                    part = g
                elif rule is None:
                    if values is None:
                        values = self._gradients(propagator, node, g)
                    part = values[i]
                else:
                    part = rule(g, node.value, *[x.value if isinstance(x, Node) else x for x in node.operands()])
                if part is None:
                    continue
                if isinstance(operand, Record):
                    known = get(operand, _MISSING)
                    grads[operand] = part if known is _MISSING else merge(known, part)
                else:
                    arrivals.append((operand, propagator, part, node, i))

    def _retain(self, node: Any, propagator: Any, g: Any) -> None:
        extra = peek(node)
        if extra is not None and extra.retained is not None:
            self.arrivals.append((node, propagator, g, None, 0))

    # --- the general way ---------------------------------------------------------------------------

    def _general(self, propagator: Any, seeds: Mapping[Node, Any]) -> None:
        incoming: dict[Node, Incoming] = {node: [(-1, 0, g)] for node, g in seeds.items()}
        waiting = self._consumers()
        ready = [node for node in self.order if not waiting[node]]
        found: dict[int, list[Any]] = {}
        while ready:
            cheap = [node for node in ready if not propagator.slow(node.op)]
            batch = cheap or ready
            rest = [node for node in ready if propagator.slow(node.op)] if cheap else []
            opened = self._pull_batch(propagator, batch, incoming, waiting, found)
            ready = sorted([*rest, *opened], key=self.index.__getitem__)
        for position in sorted(found):
            self.arrivals.extend(found[position])

    def _consumers(self) -> dict[Node, int]:
        """How many edges each record waits for."""
        waiting = dict.fromkeys(self.order, 0)
        for node in self.order:
            for operand in node.operands():
                if operand.__class__ is not str and isinstance(operand, Record) and operand in waiting:
                    waiting[operand] += 1
        return waiting

    def _pull_batch(
        self, propagator: Any, batch: list[Any], incoming: dict[Node, Incoming], waiting: dict[Node, int], found: dict[int, list[Any]]
    ) -> list[Any]:
        """Pull a batch of ready records; returns the records that became ready."""
        work = [(node, _merged(propagator, incoming.pop(node))) for node in batch if node in incoming]
        for node, g in work:
            self._retain(node, propagator, g)
        parts = dict(zip((node for node, _ in work), self._results(propagator, work), strict=True))
        opened = []
        for node in batch:
            at = self.index[node]
            gradients = parts.get(node, ())
            for i, operand in enumerate(node.operands()):
                part = gradients[i] if i < len(gradients) else None
                if isinstance(operand, Record) and operand in waiting:
                    waiting[operand] -= 1
                    if not waiting[operand]:
                        opened.append(operand)
                if part is None or not self._wants(operand):
                    continue
                if isinstance(operand, Record):
                    incoming.setdefault(operand, []).append((at, i, part))
                else:
                    found.setdefault(at, []).append((operand, propagator, part, node, i))
        return opened

    def _results(self, propagator: Any, work: Sequence[tuple[Any, Any]]) -> list[Sequence[Any]]:
        slow = [(node, g) for node, g in work if propagator.slow(node.op)]
        if len(slow) < 2:
            return [self._gradients(propagator, node, g) for node, g in work]
        gather = registry.facets.get("gather")
        return gather([_bound(self._gradients, propagator, node, g) for node, g in work])  # type: ignore[no-any-return]

    def _wants(self, operand: Any) -> bool:
        if not (isinstance(operand, Node) and operand.requires):
            return False
        if self.wanted is None:
            return True
        if isinstance(operand, Record):
            return operand in self.index
        return (operand.cell if isinstance(operand, Version) else operand) in self.wanted

    def _gradients(self, propagator: Any, node: Any, g: Any) -> Sequence[Any]:
        """The gradient of every operand: the operation's own rule, or the propagator's default."""
        rules = node.op.rules.get(propagator.kind, propagator.default)
        wanted = [self._wants(operand) for operand in node.operands()]
        if rules is None:
            return propagator.pull(RecordView(node, self.create_graph, wanted), g)  # type: ignore[no-any-return]
        if rules is PASS:
            return [g if want else None for want in wanted]
        values = operand_values(node, self.create_graph)
        out = wrap(node) if self.create_graph else node.value
        if isinstance(rules, tuple):
            padded = rules + (STOP,) * (len(values) - len(rules))
            return [rule(g, out, *values) if want else None for rule, want in zip(padded, wanted, strict=False)]
        from paragrad.trace.pullback import whole_rule

        return whole_rule(rules, propagator, g, out, node, self.create_graph)


def _merged(propagator: Any, parts: Incoming) -> Any:
    """One gradient from contributions, in the order of (consumer, operand)."""
    if len(parts) == 1:
        return parts[0][2]
    return propagator.merge([part for _, _, part in sorted(parts, key=lambda p: (p[0], p[1]))])


def _bound(fn: Any, *args: Any) -> Any:
    return lambda: fn(*args)
