"""A generative function as one operation of the graph: what ``pg.stochastic(f)`` makes.

Its call is one record. The edges are its arguments and every parameter that the body read: each
``pg.Parameter`` and Variable under ``read:<name>``, and the function's own parameters in stores.

Backward, a score reaching the record becomes -(score - baseline) * d log p, p the probability of the
trace (Williams 1992), and a numeric gradient goes through the return value where that is marked. Both
are derivatives of a loss, as all of the graph's; stores, whose rules ascend, get them negated.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from functools import partial
from typing import Any

from paragrad.errors import UsageError
from paragrad.gen.choices import select
from paragrad.gen.environment import environment
from paragrad.gen.interface import Gradients
from paragrad.gen.learning import refuse_unfinished
from paragrad.gen.pushing import StoredPlace, stored
from paragrad.gen.trace import Trace
from paragrad.propagators.score import LIKELIHOOD
from paragrad.trace.bundle import Bundle
from paragrad.trace.escapes import label_of
from paragrad.trace.nodes import Version, edge_paths, extra_of
from paragrad.trace.state import STATE
from paragrad.trace.tracing import Tracing, run

_VARIADIC = inspect.Parameter.VAR_POSITIONAL


class StochasticFunction(Bundle[Any, Any]):
    """A generative function that is called on Variables and plain values, and gives a Variable.

    Args:
        gen_fn: the function; arguments marked ``gen.Grad`` get derivatives.
        baseline: the score to compare with; None: the mean of the other scores of the same backward.
    """

    def __init__(self, gen_fn: Any, baseline: float | None = None) -> None:
        super().__init__(_signed(gen_fn), catch=False, kind="op")
        self.gen_fn = gen_fn
        self.op.rules[LIKELIHOOD] = Likelihood(baseline)
        self.op.rules["numeric"] = Pathwise()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Draw once; a Variable of what the function returned."""
        return self.call(None, args, kwargs)

    def call(self, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """One run, one record."""
        group = STATE.get().parallel
        if group is not None and group.here():
            return group.bundle(self, instance, args, kwargs)
        tracing = Tracing(self.op, self.binder, args, kwargs, self.catch, self.strict, instance)
        traces: list[Trace] = []
        made = run(tracing, partial(self._drawn, tracing, traces))
        if made._n.op is not None:
            extra_of(made._n).drawn = traces[0]
        return made

    def _drawn(self, tracing: Tracing, traces: list[Trace], *args: Any, **kwargs: Any) -> Any:
        f = self.gen_fn
        trace = f.simulate(f.bound(args, kwargs) if kwargs else args, environment())
        traces.append(trace)
        if tracing.state.record:
            known = set(map(id, tracing.edges.nodes))
            for place, read in trace.reads.items():
                node = stored(place, read) if isinstance(place, tuple) else read.leaf
                if node is not None and id(node) not in known:
                    tracing.edges.add(f"read:{node.cell.name if isinstance(place, tuple) else label_of(node)}", node)
        return trace.retval

    def __repr__(self) -> str:
        return f"<stochastic {self.op.name}>"


class Likelihood:
    """What a score becomes: ``weight * d log p`` for every operand."""

    def __init__(self, baseline: float | None) -> None:
        self.baseline = baseline

    def __call__(self, weight: float, record: Any) -> list[Any]:
        """Derivatives in edge order; None where there is none.

        Raises:
            ValueError: one of them is nan or infinite.
        """
        trace = record.node.extra.drawn
        return _by_edge(record.node, trace, trace.gen_fn.gradients(trace, select(), None, trace.gen_fn.argument_grads, float(weight)))


class Pathwise:
    """What a numeric gradient becomes: the derivative through the return value, where it is marked; the choices stay as they are."""

    of_record = True

    def __call__(self, g: Any, node: Any, create_graph: bool) -> list[Any]:
        """Derivatives in edge order.

        Raises:
            UsageError: a backward that is itself recorded.
        """
        trace = node.extra.drawn
        f = trace.gen_fn
        if not f.output_grad:
            return [None] * len(node.operands())
        if create_graph:
            raise UsageError(f"the derivative of {f!r} is not recorded; call backward without create_graph=True")
        return _by_edge(node, trace, f.gradients(trace, select(), g, f.argument_grads, 0.0))


def _by_edge(node: Any, trace: Trace, found: Gradients) -> list[Any]:
    """The part of each operand: as an argument, as a parameter that was read, or both."""
    refuse_unfinished(found.params.items())
    f, reads = trace.gen_fn, trace.reads
    by_leaf: dict[Any, Any] = {}
    for id, grad in found.params.items():
        by_leaf[id if isinstance(id, tuple) else reads[id].leaf] = grad  # type: ignore[union-attr]
    args = [grad if marked else None for grad, marked in zip(found.args, f.argument_grads, strict=False)]
    parts = []
    for path, operand in zip(edge_paths(node), node.operands(), strict=True):
        cell = operand.cell if isinstance(operand, Version) else None
        read = by_leaf.pop(cell.id if isinstance(cell, StoredPlace) else operand, None)
        part = _argument(args, node.op.owner.binder, path)
        parts.append(read if part is None else part if read is None else part + read)
    return parts


def _argument(args: Sequence[Any], binder: Any, path: Any) -> Any:
    """The derivative of an operand that came as an argument, or lay inside one."""
    steps: list[Any] = []
    while path.__class__ is tuple:
        path, step = path
        steps.append(step)
    if path not in binder.names:
        return None
    place = binder.names.index(path)
    if binder.signature.parameters[path].kind is _VARIADIC:
        place += steps.pop()
    part = args[place] if place < len(args) else None
    for step in reversed(steps):
        part = None if part is None else part[step]
    return part


def _signed(gen_fn: Any) -> Any:
    """A plain function with the name and the arguments of a generative one."""

    def drawn(*args: Any) -> Any:
        return gen_fn.simulate(args, environment()).retval

    drawn.__name__ = drawn.__qualname__ = gen_fn.__name__
    drawn.__doc__, drawn.__module__ = getattr(gen_fn, "__doc__", None), type(gen_fn).__module__
    function = getattr(gen_fn, "function", None)
    if function is not None:
        drawn.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
        drawn.__module__, drawn.__qualname__ = function.__module__, gen_fn.__qualname__
    return drawn
