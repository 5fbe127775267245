"""Cost and memory: counted, never timed."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from paragrad.propagators import Text
from paragrad.trace import Parameter, Variable, backward, bundle
from paragrad.trace.nodes import Node
from paragrad.trace.pull import Sweep
from paragrad.trace.structure import ordered


def test_dropped_runs_leave_nothing_without_the_collector(left_alive: Callable[[], int]) -> None:
    p, q = Parameter("p"), Parameter(2.0)
    mixed = bundle(lambda a, b: {"k": [a, b]})
    (q * 1.0).backward()
    mixed(p, [q]).backward("warm")
    p.zero_grad()
    q.zero_grad()
    start = left_alive()
    for i in range(1000):
        x = Variable(float(i), requires_grad=True)
        out = mixed(p.upper(), [q * x, {"x": x}])
        if i % 3 == 0:
            out["k"][0].backward("words", retain_graph=i % 2 == 0)
        elif i % 3 == 1:
            (q * x * x).backward(create_graph=True)
            x.grad[0].backward()
        p.zero_grad()
        q.zero_grad()
    del x, out
    assert left_alive() - start == 0


def test_deep_chains_need_no_recursion_and_are_freed_at_once(left_alive: Callable[[], int]) -> None:
    depth = 10**5
    assert depth > 10 * sys.getrecursionlimit()
    start = left_alive()
    x = Variable(1.0, requires_grad=True)
    y = x
    for _ in range(depth):
        y = y + 1.0
    y.backward(retain_graph=True)
    y.backward(create_graph=True)
    assert y.graph() is not None
    y.backward(inputs=[x])
    assert x.grad[0].value == 3.0
    t = Variable("a", requires_grad=True)
    z = t
    for _ in range(depth // 2):
        z = z.upper()
        z = z.lower()
    z.backward("words", propagators=[Text(lambda record, words: words)])
    assert [g.value for g in t.grad] == ["words"]
    deep = Variable(1.0, requires_grad=True)
    for _ in range(depth):
        deep = -deep
    del x, y, t, z, deep
    assert left_alive() - start == 0


def test_leaves_hold_no_graph_after_backward() -> None:
    p = Parameter("p")
    out = p.upper()
    held = weakref.ref(out)
    out.backward("w")
    del out
    assert held() is None
    assert not [x for x in gc.get_objects() if issubclass(type(x), Node) and x.op is not None and x.value == "P"]


class Counting(Text):
    """Counts merges and pulls."""

    def __init__(self) -> None:
        super().__init__(lambda record, words: [words] * len(record.names))
        self.pulls = self.merged = 0

    def pull(self, record: Any, gradient: Any) -> Any:
        self.pulls += 1
        return super().pull(record, gradient)

    def merge(self, gradients: Any) -> Any:
        self.merged += len(gradients)
        return super().merge(gradients)


@bundle(effects=())
def both(a: str, b: str) -> str:
    return "x"


@pytest.mark.parametrize("levels", [10, 100, 1000])
def test_a_diamond_ladder_costs_one_pull_per_operation(levels: int) -> None:
    x = Variable("x", requires_grad=True)
    y: Any = x
    for _ in range(levels):
        y = both(y, y)
    counting = Counting()
    y.backward("w", propagators=[counting])
    assert counting.pulls == levels
    assert counting.merged == 2 * (levels - 1)
    assert [g.value for g in x.grad] == ["w", "w"]


def test_text_along_k_additions_stays_linear() -> None:
    for k in (8, 64, 512):
        p = Variable("p", requires_grad=True)
        y: Any = p
        for i in range(k):
            y = y + f"{i}" if i % 2 else f"{i}" + y
        y.backward("feedback")
        assert sum(len(g.value) for g in p.grad) == len("feedback")
        y = p
        p.grad = None
        for _ in range(k):
            y = y + p
        y.backward("feedback")
        assert sum(len(g.value) for g in p.grad) == (k + 1) * len("feedback")


def test_every_record_is_visited_once_per_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    for size in (100, 1000, 10000):
        x = Variable(1.0, requires_grad=True)
        level = [x * float(i) for i in range(size)]
        total = sum(level[1:], level[0])
        order = ordered([total._n])
        assert len(order) == 2 * size - 1
        assert len(set(order)) == len(order)
        sweep = Sweep(order, None, False)
        calls = 0
        real = Sweep.gradients

        def counted(self: Sweep, *args: Any) -> Any:
            nonlocal calls
            calls += 1
            return real(self, *args)  # noqa: B023

        monkeypatch.setattr(Sweep, "gradients", counted)
        sweep.run(Text(), {total._n: ()})
        monkeypatch.undo()
        assert calls == 0  # words without a critic need no rule at all


def test_eight_thousand_gradients_on_one_parameter() -> None:
    p = Parameter("p")
    outs = [p + str(i) for i in range(8000)]
    backward(outs, [f"w{i}" for i in range(8000)])
    assert [g.value for g in p.grad] == [f"w{i}" for i in range(8000)]


def test_slow_critics_run_at_once_and_give_the_same_bytes() -> None:
    width = 8
    met = threading.Barrier(width, timeout=20)

    def run(critic: Any) -> list[str]:
        p = Parameter("p")
        step = bundle(lambda x, i: f"{x}{i}")
        outs = [step(p + "!", i) for i in range(width)]
        backward(outs, [f"w{i}" for i in range(width)], propagators=[Text(critic)])
        return [f"{c.item}|{c.value}|{c.tag}" for c in p._accumulator().texts]

    def together(record: Any, words: Any) -> list[str]:
        met.wait()  # passes only when all calls are in flight at once
        return [f"{words}+"] * len(record.names)

    def alone(record: Any, words: Any) -> list[str]:
        return [f"{words}+"] * len(record.names)

    assert run(together) == run(alone)


def test_critics_see_the_context_of_the_backward() -> None:
    from contextvars import ContextVar

    here: ContextVar[str] = ContextVar("here", default="nowhere")
    seen: list[str] = []
    p = Parameter("p")
    step = bundle(lambda x: x)
    here.set("inside")
    backward([step(p), step(p)], ["a", "b"], propagators=[Text(lambda record, words: seen.append(here.get()) or words)])
    assert seen == ["inside", "inside"]


def test_only_operations_that_lead_to_a_trainable_leaf_ask_the_critic() -> None:
    asked: list[str] = []
    step = bundle(lambda x: f"{x}.")
    frozen: Any = Variable("x")
    for _ in range(49):
        frozen = step(frozen)
    p = Parameter("p")
    last = bundle(lambda a, b: f"{a}{b}")
    last(frozen, p).backward("w", propagators=[Text(lambda record, words: asked.append(record.op.name) or [words] * 2)])
    assert len(asked) == 1


def test_reading_every_element_writes_the_gradient_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from paragrad.trace import spread

    written = 0
    real = spread.zeros

    def counted(value: Any) -> Any:
        nonlocal written
        written += 1
        return real(value)

    monkeypatch.setattr(spread, "zeros", counted)
    for size in (10, 100, 2000):
        v = Variable([1.0] * size, requires_grad=True)
        total = sum(e * float(i) for i, e in enumerate(v))
        written = 0
        total.backward()
        assert v.grad[0].value == [float(i) for i in range(size)]
        top_level = 12 + size // 500  # a few folds, never one per element
        assert written <= top_level * (size + 1)
    nested = Variable([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    (nested[1][0] * nested[0][1] + nested[1][0]).backward()
    assert nested.grad[0].value == [[0.0, 3.0], [3.0, 0.0]]
    mixed = Variable({"q": "text", "k": 2.0}, requires_grad=True)
    (mixed["k"] * 3.0).backward()
    assert list(mixed.grad) == []
