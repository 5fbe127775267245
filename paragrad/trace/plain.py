"""The plain way back: one pass over the order, one rule per edge, contributions merged as they come.

It serves propagators that merge locally (sums of numbers, ropes of words without a critic), and it is
what makes a backward over a million operations take about a second. Everything else goes the
general way (:mod:`paragrad.trace.pull`); both give the same gradients in the same order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from paragrad.trace.nodes import FLOWING, NODES, REQUIRING, Node, Record1, Record2
from paragrad.trace.operation import PASS
from paragrad.trace.spread import Spread, dense

if TYPE_CHECKING:
    from paragrad.trace.pull import Sweep


def pull_plain(sweep: Sweep, propagator: Any, seeds: Mapping[Node, Any]) -> None:
    """Carry ``seeds`` along ``sweep.order``; what reaches leaves is added to ``sweep.arrivals``."""
    kind, merge, default = propagator.kind, propagator.local, propagator.default
    grads = dict(seeds)
    take, arrive = grads.pop, sweep.arrivals.append
    for node in sweep.order:
        g = take(node, None)
        if g.__class__ is Spread:
            g = dense(g)
        if g is None:
            continue
        if node.extra is not None:
            sweep.retain(node, propagator, g)
        rules = node.op.rules.get(kind, default)
        cls = node.__class__
        operands: tuple[Any, ...] = (node.a, node.b) if cls is Record2 else (node.a,) if cls is Record1 else node.args
        parts: Sequence[Any]
        if rules is PASS:
            parts = (g,) * len(operands)
        elif cls is Record2 and rules.__class__ is tuple and node.extra is None:
            a, b = node.a, node.b
            left, right = rules
            x = a.value if a.__class__ in NODES else a
            y = b.value if b.__class__ in NODES else b
            parts = (
                left(g, node.value, x, y) if a.__class__ in REQUIRING else None,
                right(g, node.value, x, y) if b.__class__ in REQUIRING else None,
            )
        elif rules.__class__ is tuple and len(rules) == len(operands) and node.extra is None:
            parts = _per_edge(rules, g, node.value, operands)
        else:
            parts = sweep.gradients(propagator, node, g)
        for i, operand in enumerate(operands):
            part = parts[i]
            if part is None:
                continue
            cls = operand.__class__
            if cls in FLOWING:
                grads[operand] = merge(grads[operand], part) if operand in grads else part
            elif cls in REQUIRING:
                arrive((operand, propagator, part, node, i))


def _per_edge(rules: tuple[Any, ...], g: Any, out: Any, operands: Sequence[Any]) -> Sequence[Any]:
    """The gradient of every operand by its own rule; constants get none."""
    values = [x.value if x.__class__ in NODES else x for x in operands]
    return [rule(g, out, *values) if x.__class__ in REQUIRING else None for rule, x in zip(rules, operands, strict=True)]
