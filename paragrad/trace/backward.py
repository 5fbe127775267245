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
from paragrad.errors import NothingToTrain, StaleTrace
from paragrad.protocols.gradient import Feedback, Tag
from paragrad.trace.nodes import Leaf, Node, Record, Version, edge_names, peek
from paragrad.trace.operation import TABLE
from paragrad.trace.pull import Sweep
from paragrad.trace.state import within
from paragrad.trace.values import brief, is_scalar
from paragrad.trace.variable import Variable

__all__ = ["backward", "structure"]


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
    roots, seeds = _roots(outputs, feedbacks)
    order, index = structure([node for node, _, _ in roots], wanted)
    seeded = _seed(seeds, propagators, create_graph, wanted)
    _needs_leaf(order, roots, outputs)
    TABLE.ensure_rules()
    sweep = Sweep(order, index, wanted, create_graph)
    with within(record=create_graph, reads=None):
        for propagator, grads in seeded:
            sweep.run(propagator, grads)
    deliver(sweep, stale)
    if not retain:
        for node in order:
            node.free()


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
        node = variable._n
        if not variable.is_leaf:
            raise RuntimeError(f"inputs holds a non-leaf, {variable!r}; only leaves can be asked for (retain_grad() keeps the grad of others)")
        wanted.add(node.cell if isinstance(node, Version) else node)
    return wanted


def _roots(outputs: list[Any], feedbacks: list[Any]) -> tuple[list[tuple[Node, Any, Any]], list[tuple[Node, Any, Any]]]:
    """(node, feedback, item) per output, and the seeds: a Feedback's Variables are outputs of their own."""
    roots: list[tuple[Node, Any, Any]] = []
    seeds: list[tuple[Node, Any, Any]] = []
    for i, (output, feedback) in enumerate(zip(outputs, feedbacks, strict=True)):
        if not isinstance(output, Variable):
            raise TypeError(f"output {i} is {brief(output)} of type {type(output).__name__}; only Variables have a graph")
        item = _item(output._n, i if len(outputs) > 1 else None)
        roots.append((output._n, feedback, item))
        seeds.append((output._n, feedback, item))
        if isinstance(feedback, Feedback) and isinstance(feedback.score, Variable) and feedback.score._n.requires:
            node = (-feedback.score)._n
            roots.append((node, None, item))
            seeds.append((node, None, item))
    return roots, seeds


def _item(node: Node, position: int | None) -> int | str | None:
    extra = peek(node)
    if extra is not None and extra.item is not None:
        return extra.item
    if position is not None:
        return position
    scope = current_scope()
    return scope.at.item if scope is not None else None


def structure(roots: Sequence[Node], wanted: set[Any] | None) -> tuple[list[Any], dict[Node, int]]:
    """Records between ``roots`` and the leaves, consumers first, and the number of each.

    With ``wanted``, only records on a path to a wanted leaf are kept.

    Raises:
        RuntimeError: a record was freed.
    """
    counts: dict[Node, int] = {}
    stack: list[Any] = []
    for root in roots:
        if root.requires and root not in counts:
            counts[root] = 0
            stack.append(root)
    while stack:
        node = stack.pop()
        if not isinstance(node, Record):
            continue
        if node.op is None:
            raise RuntimeError("this graph was freed by an earlier backward; call that one with retain_graph=True")
        for operand in node.operands():
            if isinstance(operand, Node) and operand.requires:
                seen = counts.get(operand)
                if seen is None:
                    counts[operand] = 1
                    stack.append(operand)
                else:
                    counts[operand] = seen + 1
    order = _sorted(roots, counts)
    if wanted is not None:
        order = _leading_to(order, wanted)
    return order, {node: i for i, node in enumerate(order)}


def _sorted(roots: Sequence[Node], counts: dict[Node, int]) -> list[Any]:
    """Kahn's order: a record comes after everything that consumed it."""
    order: list[Any] = []
    ready: list[Any] = [root for root in reversed(list(dict.fromkeys(roots))) if counts.get(root) == 0]
    while ready:
        node = ready.pop()
        if not isinstance(node, Record):
            continue
        order.append(node)
        for operand in reversed(node.operands()):
            if isinstance(operand, Node) and operand.requires:
                left = counts[operand] - 1
                counts[operand] = left
                if not left:
                    ready.append(operand)
    return order


def _leading_to(order: list[Any], wanted: set[Any]) -> list[Any]:
    """The records on a path to a wanted leaf."""
    leading: set[Node] = set()
    for node in reversed(order):
        for operand in node.operands():
            if isinstance(operand, Node) and operand.requires and (operand in leading or is_wanted(operand, wanted)):
                leading.add(node)
                break
    return [node for node in order if node in leading]


def is_wanted(leaf: Node, wanted: set[Any]) -> bool:
    """Whether a leaf is among those asked for."""
    return (leaf.cell if isinstance(leaf, Version) else leaf) in wanted


def _needs_leaf(order: list[Any], roots: list[tuple[Node, Any, Any]], outputs: list[Any]) -> None:
    if order or any(root.requires for root, _, _ in roots if not isinstance(root, Leaf)):
        return
    raise NothingToTrain(
        f"backward on {outputs[0]!r} reaches nothing that requires a gradient; "
        "pass requires_grad=True to a Variable, or use a Parameter, and let the output depend on it"
    )


def _seed(
    seeds: list[tuple[Node, Any, Any]], propagators: Sequence[Any] | None, create_graph: bool, wanted: set[Any] | None
) -> list[tuple[Any, dict[Node, Any]]]:
    """Propagators with their gradients at the outputs."""
    chosen = list(propagators) if propagators is not None else [registry.propagators.get(n)() for n in ("numeric", "text", "score", "episodes")]
    started = []
    unclaimed = list(range(len(seeds)))
    for propagator in chosen:
        grads: dict[Node, Any] = {}
        for i, (node, feedback, item) in enumerate(seeds):
            if not node.requires:
                continue
            gradient = propagator.seed(SeedView(node, item, create_graph), feedback)
            if gradient is not None:
                grads[node] = gradient if node not in grads else propagator.merge([grads[node], gradient])
                if i in unclaimed:
                    unclaimed.remove(i)
        if grads:
            started.append((propagator, grads))
    for i in unclaimed:
        node, feedback, _ = seeds[i]
        if node.requires and feedback is None and propagators is None:
            _refuse_missing(node)
    return started


def _refuse_missing(node: Node) -> None:
    if not is_scalar(node.value):
        raise RuntimeError(f"{brief(node.value)} has more than one element; say what to improve: backward(gradient) with a matching Variable, or words")
    raise RuntimeError(f"a gradient is needed for {brief(node.value)} of type {type(node.value).__name__}; pass a str, a Feedback or a Variable")


class SeedView:
    """What a propagator sees of an output when it seeds."""

    __slots__ = ("create_graph", "item", "node")

    def __init__(self, node: Node, item: Any, create_graph: bool) -> None:
        self.node = node
        self.item = item
        self.create_graph = create_graph

    @property
    def value(self) -> Any:
        """The output's raw value."""
        return self.node.value


def deliver(sweep: Sweep, stale: str) -> None:
    """Put every contribution where it belongs; checks all cells first.

    Raises:
        StaleTrace: a cell has moved on and ``stale`` is "raise".
    """
    for leaf, *_ in sweep.arrivals:
        if isinstance(leaf, Version) and leaf.version != leaf.cell.current and stale == "raise":
            parameter = leaf.cell.handle()
            raise StaleTrace(
                f"{parameter.id if parameter is not None else 'a Parameter'} was read at version {leaf.version} and is now at "
                f'version {leaf.cell.current}; run the program again, or pass stale="keep" to add the gradient all the same'
            )
    for leaf, propagator, gradient, consumer, position in sweep.arrivals:
        tag = Tag(None, consumer.op.name, edge_names(consumer)[position]) if consumer is not None else Tag(None, "", "")
        is_stale = isinstance(leaf, Version) and leaf.version != leaf.cell.current
        propagator.deliver(_accumulator(leaf), gradient, tag, is_stale)


def _accumulator(leaf: Any) -> Any:
    extra = peek(leaf)
    if isinstance(leaf, Record):
        return extra.retained if extra is not None else None
    return leaf.acc
