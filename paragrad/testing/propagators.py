"""check_propagator: what every kind of gradient must do, for plug-in authors too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from paragrad.protocols.gradient import Tag
from paragrad.registry import facets
from paragrad.trace import Variable, backward, bundle
from paragrad.trace.accumulator import Accumulator


@bundle(effects=())
def _step(x: Any) -> Any:
    return x


@bundle(effects=())
def _join(a: Any, b: Any) -> Any:
    return a


def check_propagator(make: Callable[[], Any], value: Any, feedback: Any, *, read: Callable[[Accumulator], Any] | None = None) -> None:
    """Check the laws of a propagator.

    It names its kind; silence stays silence; a gradient reaches every leaf behind an output and no other;
    merging is associative; chosen inputs get what they would have got; order and results do not
    depend on how many pulls run at once; nothing is delivered when a pull fails.

    Args:
        make: a new propagator.
        value: an output that ``feedback`` fits.
        feedback: what is said of it.
        read: what a leaf collected, comparable with ``==``; default: everything in its accumulator.

    Raises:
        AssertionError: names the law that is broken.
    """
    look = read or everything
    _law(bool(make().kind) and make().kind == make().kind, "kind is a name, the same for every instance")
    _check_reach(make, value, feedback, look)
    _check_inputs(make, value, feedback, look)
    _check_merge(make, value, feedback, look)
    _check_parallel(make, value, feedback, look)
    _check_failure(make, value, feedback, look)


def everything(acc: Accumulator) -> Any:
    """What a leaf collected, of every kind."""
    return (acc.total(), acc.number_count(), [(c.item, str(c.value), c.tag) for c in acc.texts], acc.scores, acc.episodes, len(acc.graphs))


def _leaves(value: Any, count: int) -> list[Variable[Any]]:
    return [Variable(value, requires_grad=True, name=f"leaf{i}") for i in range(count)]


def _collected(leaves: list[Variable[Any]], look: Callable[[Accumulator], Any]) -> list[Any]:
    return [look(leaf._accumulator()) for leaf in leaves]


def _diamond(leaves: list[Variable[Any]]) -> Variable[Any]:
    """Two branches that share their first operation, and a third leaf."""
    shared = _step(leaves[0])
    made: Variable[Any] = _join(_join(_step(shared), leaves[1]), _join(_step(shared), leaves[2]))
    return made


def _check_reach(make: Callable[[], Any], value: Any, feedback: Any, look: Callable[[Accumulator], Any]) -> None:
    leaves = _leaves(value, 4)
    empty = look(Accumulator())
    _diamond(leaves).backward(feedback, propagators=[make()])
    got = _collected(leaves, look)
    _law(any(part != empty for part in got[:3]), "a gradient reaches a leaf behind the output")
    _law(got[3] == empty, "a leaf that is not behind the output gets nothing")


def _check_inputs(make: Callable[[], Any], value: Any, feedback: Any, look: Callable[[Accumulator], Any]) -> None:
    every, chosen = _leaves(value, 3), _leaves(value, 3)
    _diamond(every).backward(feedback, propagators=[make()])
    _diamond(chosen).backward(feedback, propagators=[make()], inputs=chosen[:1])
    _law(_collected(every, look)[0] == _collected(chosen, look)[0], "a chosen input gets what it would have got without the choice")
    _law(_collected(chosen, look)[1:] == [look(Accumulator())] * 2, "inputs that were not chosen get nothing")


def _check_merge(make: Callable[[], Any], value: Any, feedback: Any, look: Callable[[Accumulator], Any]) -> None:
    propagator = make()
    seeds = [propagator.seed(_Seed(value, item), feedback) for item in range(3)]
    _law(all(seed is not None for seed in seeds), "the feedback says something")
    a, b, c = seeds
    together = propagator.merge([a, b, c])
    for other in (propagator.merge([propagator.merge([a, b]), c]), propagator.merge([a, propagator.merge([b, c])])):
        _law(_delivered(propagator, other, look) == _delivered(propagator, together, look), "merging is associative")
    if propagator.local is not None:
        folded = propagator.local(propagator.local(a, b), c)
        _law(_delivered(propagator, folded, look) == _delivered(propagator, together, look), "local merges as merge does")


class _Seed:
    """An output without a graph."""

    create_graph = False

    def __init__(self, value: Any, item: int) -> None:
        self.node = Variable(value, requires_grad=True)._n
        self.value = value
        self.item = item


def _delivered(propagator: Any, gradient: Any, look: Callable[[Accumulator], Any]) -> Any:
    acc = Accumulator()
    propagator.deliver(acc, gradient, Tag(None, "", ""), False)
    return look(acc)


def _check_parallel(make: Callable[[], Any], value: Any, feedback: Any, look: Callable[[Accumulator], Any]) -> None:
    def run(slow: bool) -> list[Any]:
        leaves = _leaves(value, 8)
        propagator = make()
        if slow:
            propagator.slow = lambda op: op.kind == "bundle"
            propagator.local = None
            propagator.merge = make().merge
        backward([_join(_step(leaf), leaves[0]) for leaf in leaves], [feedback] * 8, propagators=[propagator])
        return _collected(leaves, look)

    if "gather" in facets:
        _law(run(False) == run(True), "slow pulls that run at once give the same, in the same order")


def _check_failure(make: Callable[[], Any], value: Any, feedback: Any, look: Callable[[Accumulator], Any]) -> None:
    leaves = _leaves(value, 2)
    propagator = make()
    fails = bundle(lambda x: x)

    def raises(*_: Any) -> Any:
        raise ConnectionError("down")

    fails.op.rules[propagator.kind] = raises
    try:
        _join(fails(leaves[0]), leaves[1]).backward(feedback, propagators=[propagator])
    except ConnectionError:
        _law(_collected(leaves, look) == [look(Accumulator())] * 2, "when a pull fails, nothing is delivered")


def _law(holds: bool, text: str) -> None:
    if not holds:
        raise AssertionError(f"check_propagator: {text}")
