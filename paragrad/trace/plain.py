"""The plain way back: one pass over the order, one rule per edge, contributions merged as they come.

It serves propagators that merge locally (sums of numbers, ropes of words without a critic), and it is
what makes a backward over a million operations take about a second. Everything else goes the
general way (:mod:`paragrad.trace.pull`); both give the same gradients in the same order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Any

from paragrad.trace.nodes import FLOWING, NODES, REQUIRING, Node, Record1, Record2
from paragrad.trace.operation import PASS
from paragrad.trace.spread import Spread, dense
from paragrad.trace.views import RecordView

if TYPE_CHECKING:
    from paragrad.trace.pull import Sweep


def pull_plain(sweep: Sweep, propagator: Any, seeds: Mapping[Node, Any]) -> None:
    """Carry ``seeds`` along ``sweep.order``; what reaches leaves is an arrival, or gathered by leaf when it needs no tag.

    Long graphs are made of operators with two operands, and of operations with one that pass everything on. These
    are written out here, and make nothing but gradients; any other record is handed on edge by edge.
    """
    kind, merge, default = propagator.kind, propagator.local, propagator.default
    both = (PASS, PASS) if default is PASS else default
    grads = dict(seeds)
    take, arrive, flowing, requiring, nodes = grads.pop, _filing(sweep, propagator), FLOWING, REQUIRING, NODES
    for node in sweep.order:
        g = take(node, None)
        if g.__class__ is Spread:
            g = dense(g)
        if g is None:
            continue
        cls = node.__class__
        if cls is Record2 and node.extra is None and (rules := node.op.rules.get(kind, both)).__class__ is tuple:
            (left, right), a, b = rules, node.a, node.b
            x = a.value if a.__class__ in nodes else a
            y = b.value if b.__class__ in nodes else b
            if a.__class__ in requiring and (part := left(g, node.value, x, y)) is not None:
                if a.__class__ in flowing:
                    grads[a] = merge(grads[a], part) if a in grads else part
                else:
                    arrive(a, part, node, 0)
            if b.__class__ in requiring and (part := right(g, node.value, x, y)) is not None:
                if b.__class__ in flowing:
                    grads[b] = merge(grads[b], part) if b in grads else part
                else:
                    arrive(b, part, node, 1)
        elif cls is Record1 and node.op.rules.get(kind, default) is PASS and (node.extra is None or node.extra.retained is None):
            a = node.a
            if a.__class__ in flowing:
                grads[a] = merge(grads[a], g) if a in grads else g
            else:
                arrive(a, g, node, 0)
        else:
            _hand_on(sweep, propagator, node, g, grads, arrive)


def _filing(sweep: Sweep, propagator: Any) -> Callable[[Node, Any, Any, int], None]:
    """What is done with a gradient at a leaf, given the consumer and the operand's position."""
    if propagator.tagged:
        keep = sweep.arrivals.append
        return lambda leaf, part, node, i: keep((leaf, propagator, part, node, i))
    gathered: dict[Node, list[Any]] = defaultdict(list)
    sweep.gathered.append((propagator, gathered))
    return lambda leaf, part, node, i: gathered[leaf].append(part)


def _hand_on(sweep: Sweep, propagator: Any, node: Any, g: Any, grads: dict[Any, Any], arrive: Callable[..., None]) -> None:
    """Hand the gradient of any record to its operands."""
    if node.extra is not None and node.extra.retained is not None:
        sweep.arrivals.append((node, propagator, g, None, 0))
    rules = node.op.rules.get(propagator.kind, propagator.default)
    cls = node.__class__
    operands = (node.a,) if cls is Record1 else (node.a, node.b) if cls is Record2 else node.args
    parts = repeat(g) if rules is PASS else _parts(sweep, propagator, node, g, rules, operands)
    for i, (operand, part) in enumerate(zip(operands, parts, strict=False)):
        cls = operand.__class__
        if part is None or cls not in REQUIRING:
            continue
        if cls in FLOWING:
            grads[operand] = propagator.local(grads[operand], part) if operand in grads else part
        else:
            arrive(operand, part, node, i)


def _parts(sweep: Sweep, propagator: Any, node: Any, g: Any, rules: Any, operands: Sequence[Any]) -> Sequence[Any]:
    """The gradient of every operand: by one rule per operand, or in whatever way the operation has."""
    if rules is None:
        return propagator.pull(RecordView(node, False, [x.__class__ in REQUIRING for x in operands]), g)  # type: ignore[no-any-return]
    if rules.__class__ is not tuple or len(rules) != len(operands) or node.extra is not None:
        return sweep.gradients(propagator, node, g)
    values = [x.value if x.__class__ in NODES else x for x in operands]
    return [rule(g, node.value, *values) if x.__class__ in REQUIRING else None for rule, x in zip(rules, operands, strict=True)]
