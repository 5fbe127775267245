"""Random graphs: values, order and gradients agree with brute force; threads change nothing."""

from __future__ import annotations

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paragrad.context import Coordinate, Scope, scope
from paragrad.propagators import Numeric, Text
from paragrad.protocols.gradient import Feedback
from paragrad.trace import Parameter, Variable, backward, bundle, overlay
from paragrad.trace.nodes import Record
from paragrad.trace.structure import ordered

# A graph: leaves, then operations; each operation names earlier nodes as operands.
graphs = st.integers(1, 4).flatmap(
    lambda leaves: st.tuples(
        st.just(leaves),
        st.lists(st.tuples(st.sampled_from(["add", "mul", "sub"]), st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1, max_size=24),
    )
)
VALUES = [2.0, -3.0, 0.5, 4.0]
CALLS = {"add": lambda a, b: a + b, "mul": lambda a, b: a * b, "sub": lambda a, b: a - b}


def build(graph: Any, leaves: list[Any]) -> list[Any]:
    nodes = list(leaves)
    for kind, a, b in graph[1]:
        nodes.append(CALLS[kind](nodes[a % len(nodes)], nodes[b % len(nodes)]))
    return nodes


def path_sums(graph: Any) -> list[float]:
    """d(last)/d(leaf) by summing over every edge in reverse: forward-mode, one leaf at a time."""
    count, operations = graph
    sums = []
    for leaf in range(count):
        values = VALUES[:count]
        slopes = [float(i == leaf) for i in range(count)]
        for kind, i, j in operations:
            a, b, da, db = values[i % len(values)], values[j % len(values)], slopes[i % len(values)], slopes[j % len(values)]
            slopes.append({"add": da + db, "sub": da - db, "mul": da * b + a * db}[kind])
            values.append(CALLS[kind](a, b))
        sums.append(slopes[-1])
    return sums


@settings(max_examples=200, deadline=None)
@given(graphs)
def test_numbers_agree_with_path_sums_on_both_ways(graph: Any) -> None:
    for create_graph in (False, True):
        leaves = [Variable(v, requires_grad=True) for v in VALUES[: graph[0]]]
        nodes = build(graph, leaves)
        assert nodes[-1].value == build(graph, VALUES[: graph[0]])[-1]
        nodes[-1].backward(create_graph=create_graph)
        for leaf, wanted in zip(leaves, path_sums(graph), strict=True):
            assert (leaf.grad[0].value if leaf.grad else 0.0) == pytest.approx(wanted, rel=1e-9, abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(graphs)
def test_order_puts_consumers_first_and_depends_on_structure_alone(graph: Any) -> None:
    shapes = []
    for _ in range(2):
        nodes = build(graph, [Variable(v, requires_grad=True) for v in VALUES[: graph[0]]])
        order = ordered([nodes[-1]._n])
        place = {node: i for i, node in enumerate(order)}
        assert len(place) == len(order)
        for node in order:
            for operand in node.operands():
                if isinstance(operand, Record):
                    assert place[operand] > place[node]
        numbers = {v._n: i for i, v in enumerate(nodes)}
        shapes.append([numbers[node] for node in order])
    assert shapes[0] == shapes[1]


@settings(max_examples=100, deadline=None)
@given(graphs)
def test_words_reach_every_leaf_once_per_last_edge(graph: Any) -> None:
    leaves = [Variable(v, requires_grad=True) for v in VALUES[: graph[0]]]
    nodes = build(graph, leaves)
    reached = {node for node in ordered([nodes[-1]._n])}
    edges = Counter(operand for node in reached for operand in node.operands())
    nodes[-1].backward("words")
    for leaf in leaves:
        assert [g.value for g in leaf.grad] == ["words"] * edges[leaf._n]


@settings(max_examples=60, deadline=None)
@given(graphs)
def test_chosen_inputs_get_the_same_bits(graph: Any) -> None:
    every = [Variable(v, requires_grad=True) for v in VALUES[: graph[0]]]
    chosen = [Variable(v, requires_grad=True) for v in VALUES[: graph[0]]]
    build(graph, every)[-1].backward()
    out = build(graph, chosen)[-1]
    for leaf in chosen:
        out.backward(inputs=[leaf], retain_graph=True)
    assert [repr(v.grad) for v in every] == [repr(v.grad) for v in chosen]


@bundle(effects=())
def work(a: Any, b: Any) -> str:
    return f"({a}{b})"


def critic(record: Any, words: Any) -> list[str]:
    return [f"{words}<{record.op.name}.{name}" for name in record.names]


def words_of(graph: Any, p: Parameter[str], item: int) -> None:
    nodes: list[Any] = [p, Variable(f"x{item}", requires_grad=True)]
    for _, a, b in graph[1][:8]:
        nodes.append(work(nodes[a % len(nodes)], nodes[b % len(nodes)]))
    work(nodes[-1], p).backward(Feedback(item / 10, f"item {item}"), propagators=[Text(critic)])


@settings(max_examples=25, deadline=None)
@given(graphs, st.randoms(use_true_random=False))
def test_text_contributions_are_equal_for_one_and_many_threads(graph: Any, rng: random.Random) -> None:
    found = []
    for workers in (1, 8):
        p = Parameter("p")
        items = list(range(12))
        rng.shuffle(items)
        with ThreadPoolExecutor(workers) as pool:

            def one(item: int, p: Parameter[str] = p) -> None:
                with scope(Scope(Coordinate(item=item))):
                    words_of(graph, p, item)

            for job in [pool.submit(copy_context().run, one, item) for item in items]:
                job.result()
        found.append([(c.item, c.value, c.tag) for c in sorted(p._accumulator().texts, key=lambda c: c.item)])
        assert [g.value for g in p.grad] == [value for _, value, _ in found[-1]]
    assert found[0] == found[1]


def test_numbers_from_threads_lose_nothing_while_they_are_folded() -> None:
    p = Parameter(1.0)
    count = 4000

    def add() -> None:
        acc = p._accumulator()
        for i in range(count):
            acc.add_number(float(i % 7))

    with ThreadPoolExecutor(8) as pool:
        for job in [pool.submit(copy_context().run, add) for _ in range(8)]:
            job.result()
    assert p.grad[0].value == 8 * sum(float(i % 7) for i in range(count))
    assert p.grad.count == 8 * count
    assert len(p._accumulator().numbers) < 5000


def test_arrays_are_folded_within_items() -> None:
    np = pytest.importorskip("numpy")
    p = Parameter(np.zeros(2))
    for i in range(1000):
        p._accumulator().add_number(np.ones(2), i % 300)
    assert p.grad[0].value.tolist() == [1000.0, 1000.0]
    assert p.grad.count == 1000
    assert len(p._accumulator().parts) < 700


def test_infinities_add_up_as_floats_do() -> None:
    p = Parameter(1.0)
    for x in (1e308, 1e308, float("inf")):
        p._accumulator().add_number(x)
    assert p.grad[0].value == float("inf")
    p._accumulator().add_number(float("-inf"))
    assert p.grad[0].value != p.grad[0].value


def test_eight_candidates_in_eight_threads_share_nothing() -> None:
    p = Parameter(0.0)

    def candidate(k: int) -> tuple[float, int, float]:
        with overlay({p: float(k)}):
            for _ in range(200):
                (p * p).backward()
            return p.grad[0].value, p.grad.count, p.value

    with ThreadPoolExecutor(8) as pool:
        for k, found in enumerate(pool.map(candidate, range(8))):
            assert found == (400.0 * k, 400, float(k))
    assert list(p.grad) == []


def test_several_outputs_equal_the_sum_of_one_by_one() -> None:
    one, many = Variable(3.0, requires_grad=True), Variable(3.0, requires_grad=True)
    for out in [one * one, one * 2.0, one + one]:
        out.backward()
    backward([many * many, many * 2.0, many + many], propagators=[Numeric()])
    assert one.grad[0].value == many.grad[0].value == 10.0
