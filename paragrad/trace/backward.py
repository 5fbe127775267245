"""Backward: from feedback on outputs to the leaves, iteratively, in two passes.

The first pass looks only at structure: it finds the nodes between the outputs and the leaves,
counts their consumers and refuses freed graphs before any model is called. The second lets every
propagator pull along the same order. Leaves are delivered at the end, all or none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paragrad import registry
from paragrad.context import current_scope
from paragrad.errors import NothingToTrain
from paragrad.protocols.gradient import Feedback
from paragrad.trace.delivery import deliver
from paragrad.trace.nodes import Leaf, Node, Version
from paragrad.trace.operation import TABLE
from paragrad.trace.operators import OPERATIONS
from paragrad.trace.pull import Sweep
from paragrad.trace.record import operate
from paragrad.trace.state import within
from paragrad.trace.structure import free, ordered
from paragrad.trace.values import brief, is_scalar
from paragrad.trace.variable import Variable
from paragrad.trace.views import SeedView

DEFAULT_KINDS = ("numeric", "text", "score", "episodes")


def backward(
    outputs: Any,
    feedbacks: Any = None,
    *,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Sequence[Variable[Any]] | None = None,
    propagators: Sequence[Any] | None = None,
    stale: str = "raise",
) -> None:
    """Sweep one or several outputs at once; an operation they share is pulled once.

    Args:
        outputs: a Variable, or a sequence of them.
        feedbacks: one per output: None, a str, a Feedback, a number, an array or a Variable.
        retain_graph, create_graph, inputs, propagators, stale: as in :meth:`Variable.backward`.

    Raises:
        NothingToTrain: no leaf that requires a gradient is reached.
        RuntimeError: freed graph, missing gradient, wrong ``inputs``.
        StaleTrace: a Parameter has changed since it was read; nothing was delivered.
    """
    outputs, feedbacks = _paired(outputs, feedbacks)
    retain = create_graph if retain_graph is None else retain_graph
    if stale not in ("raise", "keep"):
        raise ValueError(f'stale is "raise" or "keep", not {stale!r}')
    wanted = _wanted(inputs)
    roots = _roots(outputs, feedbacks, create_graph)
    _need_leaf(roots, outputs)
    order = ordered([root.node for root in roots], wanted)
    seeded = _seeded(roots, propagators)
    TABLE.ensure_rules()
    sweep = Sweep(order, wanted, create_graph)
    with within(record=create_graph, reads=None):
        for propagator, grads in seeded:
            sweep.run(propagator, grads)
    items = {root.item for root in roots}
    deliver(sweep, stale, items.pop() if len(items) == 1 else None)
    if not retain:
        free(order)


def _paired(outputs: Any, feedbacks: Any) -> tuple[list[Any], list[Any]]:
    if isinstance(outputs, Variable):
        return [outputs], [feedbacks]
    outputs = list(outputs)
    feedbacks = [None] * len(outputs) if feedbacks is None else list(feedbacks)
    if len(outputs) != len(feedbacks):
        raise ValueError(f"{len(outputs)} outputs but {len(feedbacks)} feedbacks; give one feedback per output")
    return outputs, feedbacks


def _wanted(inputs: Sequence[Variable[Any]] | None) -> set[Any] | None:
    """The leaves that may get gradients, as nodes and cells; None: all of them."""
    if inputs is None:
        return None
    inputs = [inputs] if isinstance(inputs, Variable) else list(inputs)
    if not inputs:
        raise RuntimeError("inputs is empty: name at least one leaf, or leave inputs out")
    wanted: set[Any] = set()
    for variable in inputs:
        if not isinstance(variable, Variable):
            raise TypeError(f"inputs holds {brief(variable)} of type {type(variable).__name__}; it takes Variables that are leaves")
        node = variable._n
        if not isinstance(node, (Leaf, Version)):
            raise RuntimeError(
                f"inputs holds {variable!r}, which is no leaf that requires a gradient (retain_grad() keeps the grad of others)"
            )
        wanted.add(node.cell if isinstance(node, Version) else node)
    return wanted


def _roots(outputs: list[Any], feedbacks: list[Any], create_graph: bool) -> list[SeedView]:
    """The outputs; a score that is a Variable is an output of its own, to be maximised."""
    roots: list[SeedView] = []
    scope = current_scope()
    alone = scope.at.item if scope is not None else None
    for i, (output, feedback) in enumerate(zip(outputs, feedbacks, strict=True)):
        if not isinstance(output, Variable):
            raise TypeError(f"output {i} is {brief(output)} of type {type(output).__name__}; only Variables have a graph")
        node = output._n
        item = node.extra.item if node.extra is not None else None
        if item is None:
            item = i if len(outputs) > 1 else alone
        roots.append(SeedView(node, item, create_graph, feedback))
        if isinstance(feedback, Feedback) and isinstance(feedback.score, Variable) and feedback.score._n.requires:
            roots.append(SeedView(operate(OPERATIONS["neg"], (feedback.score,))._n, item, create_graph))
    return roots


def _need_leaf(roots: list[SeedView], outputs: list[Any]) -> None:
    """At least one output was made of something trained, or is a Parameter itself.

    Raises:
        NothingToTrain: no gradient could flow anywhere.
    """
    if any(root.node.requires and not isinstance(root.node, Leaf) for root in roots):
        return
    why = (
        "is itself a leaf: no operation made it"
        if outputs and isinstance(outputs[0]._n, Leaf)
        else "reaches nothing that requires a gradient"
    )
    raise NothingToTrain(
        f"backward on {outputs[0]!r}, which {why}; "
        if outputs
        else "backward got no outputs; let the output depend on a Parameter, or on a Variable with requires_grad=True"
    )


def _seeded(roots: list[SeedView], propagators: Sequence[Any] | None) -> list[tuple[Any, dict[Node, Any]]]:
    """Propagators with their gradients at the outputs.

    Raises:
        RuntimeError: an output needs a gradient and none was given, or it does not match.
        TypeError: what was given is no feedback.
    """
    chosen = [registry.propagators.get(kind)() for kind in DEFAULT_KINDS] if propagators is None else propagators
    seeded = []
    views = [root for root in roots if root.node.requires]
    for propagator in chosen:
        grads: dict[Node, Any] = {}
        seed = propagator.seed
        for view in views:
            gradient = seed(view, view.feedback)
            if gradient is not None:
                node = view.node
                grads[node] = gradient if node not in grads else propagator.merge([grads[node], gradient])
                view.claimed = True
        if grads:
            seeded.append((propagator, grads))
    if propagators is None:
        for view in views:
            if not view.claimed:
                _refuse(view.node.value, view.feedback)
    return seeded


def _refuse(value: Any, feedback: Any) -> None:
    """Say why an output has no gradient (an empty Feedback says nothing and is fine)."""
    if feedback is None and not is_scalar(value):
        raise RuntimeError(
            f"{brief(value)} has more than one element; say what to improve: backward(gradient) with a matching Variable, or words"
        )
    if feedback is None:
        raise RuntimeError(f"a gradient is needed for {brief(value)} of type {type(value).__name__}; pass a str, a Feedback or a Variable")
    if not isinstance(feedback, Feedback):
        raise TypeError(
            f"{brief(feedback)} of type {type(feedback).__name__} is no gradient; pass a str, a Feedback, a number, an array or a Variable"
        )
