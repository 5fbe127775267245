"""Quick ways: what is written out for speed gives what the general way gives, and costs a counted number of calls."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from threading import Barrier
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import paragrad
from paragrad.propagators.base import Base
from paragrad.trace import Parameter, Variable, bundle, op
from paragrad.trace.accumulator import FOLD, Accumulator, _partials
from paragrad.trace.binding import Binder
from paragrad.trace.nodes import Leaf

HOME = paragrad.__file__.rpartition("/")[0]

# --- sums ----------------------------------------------------------------------------------------------


@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=40))
def test_partials_are_few_and_have_exactly_the_sum(values: list[float]) -> None:
    partials = _partials(values)
    assert sum(map(Fraction, partials)) == sum(map(Fraction, values))
    assert len(partials) <= 42


def test_floats_given_at_once_are_folded_and_counted() -> None:
    at_once, one_by_one = Accumulator(), Accumulator()
    values = [(-1) ** i * 1.1**i for i in range(-40, 40)] * 60
    at_once.add_floats(values)
    for value in values:
        one_by_one.add_number(value)
    assert at_once.total() == one_by_one.total()
    assert at_once.number_count() == one_by_one.number_count() == len(values) > FOLD
    assert len(at_once.numbers) < 50


def test_threads_that_ask_a_leaf_first_get_one_accumulator() -> None:
    together = Barrier(8)

    def ask(leaf: Leaf) -> Accumulator:
        together.wait()
        return leaf.acc

    with ThreadPoolExecutor(8) as pool:
        for _ in range(50):
            leaf = Leaf(1.0)
            assert len({id(acc) for acc in pool.map(ask, [leaf] * 8)}) == 1
    with pytest.raises(AttributeError):
        leaf.other  # type: ignore[attr-defined]


# --- backward --------------------------------------------------------------------------------------------


@op
def three(a: float, b: float, c: float) -> float:
    return a * b * c


@three.pullback("numeric")
def _(g: float, out: float, a: float, b: float, c: float) -> list[float]:
    return [g * b * c, g * a * c, g * a * b]


def numbers(x: Any, y: Any) -> Any:
    """Records of one, two and three operands; shared ones; a leaf, a constant and a record on either side."""
    shared = -(x * y)
    return three(shared, shared + 2.0, 3.0 - x) * shared + abs(y) / shared


def texts(x: Any, y: Any) -> Any:
    """The same for words, with rules of their own at an index."""
    shared = (x + y).upper()
    return (shared.lower() + shared[0:3] + x).replace("b", y).strip()


@pytest.mark.parametrize(("program", "values"), [(numbers, (1.5, -2.25)), (texts, ("ab", "bcd"))])
def test_the_plain_way_gives_what_the_general_way_gives(program: Callable[..., Any], values: tuple[Any, Any]) -> None:
    found = []
    for general in (False, True):
        x, y = (Variable(value, requires_grad=True) for value in values)
        out = program(x, y)
        out.retain_grad()
        out.backward(inputs=[x, y] if general else None)
        found.append([[(g.value, g.name) for g in v.grad] for v in (x, y, out)])
    assert found[0] == found[1]
    assert all(found[0])


class Marks(Base):
    """Counts the ways to a leaf; needs no tags."""

    kind = "marks"
    tagged = False

    def seed(self, output: Any, feedback: Any) -> tuple[str, ...]:
        return ("way",)

    @staticmethod
    def local(a: tuple[str, ...], b: tuple[str, ...]) -> tuple[str, ...]:
        return a + b

    def deliver(self, accumulator: Any, gradient: Any, tag: Any, stale: bool) -> None:
        accumulator.graphs.extend([(part, tag.operation) for part in gradient])


def test_a_propagator_without_tags_gets_everything_that_was_gathered() -> None:
    x, y = Variable(2.0, requires_grad=True), Variable(3.0, requires_grad=True)
    z = x * y
    (z + z * x + three(x, z, 1.0)).backward(propagators=[Marks()])
    assert x._accumulator().graphs == [("way", "")] * 5
    assert y._accumulator().graphs == [("way", "")] * 3


# --- calls ---------------------------------------------------------------------------------------------


def test_arguments_come_in_the_order_of_the_signature_however_they_are_given() -> None:
    binder = Binder(lambda a, b, c=3, d=4: None)
    ways: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        ((1, 2, 3, 4), {}), ((1, 2, 3), {"d": 4}), ((1,), {"b": 2, "c": 3, "d": 4}), ((1,), {"d": 4, "c": 3, "b": 2}),
        ((1, 2), {}), ((1, 2), {"d": 4}), ((), {"b": 2, "a": 1}),
    ]  # fmt: skip
    for args, kwargs in ways:
        assert list(binder.pairs(args, kwargs)) == [("a", 1), ("b", 2), ("c", 3), ("d", 4)] == list(binder(args, kwargs).items())
    for wrong in ({"e": 1}, {"a": 1}, {"b": 1, "c": 2, "d": 3, "e": 4}):
        with pytest.raises(TypeError):
            binder.pairs((0,), wrong)


def test_what_a_function_does_to_its_arguments_does_not_change_the_record() -> None:
    @bundle(effects=())
    def spoils(items: list[Any], named: dict[str, Any], pair: tuple[Any, ...]) -> int:
        items[1]["k"].append(9)
        items.append(1)
        named["x"].clear()
        pair[0].append(2)
        return 0

    inner = Variable([1, 2])
    given: list[Any] = ["a", {"k": inner}]
    out: Any = spoils(given, {"x": [1]}, ([1],))
    assert dict(out.call.input_args) == {"items": ["a", {"k": [1, 2]}], "named": {"x": [1]}, "pair": ([1],)}
    assert given == ["a", {"k": inner}]
    assert inner.value == [1, 2]
    assert list(out.predecessors) == ["items[1]['k']"]


def calls_in(work: Callable[[], Any]) -> int:
    """Functions of this package that ``work`` calls."""
    count = 0

    def told(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event == "call" and frame.f_code.co_filename.startswith(HOME)

    sys.setprofile(told)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def chain(step: Callable[[Any], Any], start: Any, n: int) -> Callable[[], None]:
    def work() -> None:
        x = Variable(start, requires_grad=True)
        for _ in range(n):
            x = step(x)
        x.backward()

    work()  # what is loaded once is not counted
    return work


def per_operation(step: Callable[[Any], Any], start: Any) -> float:
    """Function calls that one more operation costs, forward and backward."""
    return (calls_in(chain(step, start, 300)) - calls_in(chain(step, start, 100))) / 200


def test_an_operation_costs_few_function_calls() -> None:
    w = Variable(1.5, requires_grad=True)
    assert per_operation(lambda x: x * w, 1.0) <= 4  # the method, two rules, one leaf
    assert per_operation(lambda x: x * 1.5, 1.0) <= 2
    assert per_operation(lambda x: x.upper(), "a") <= 2


@op
def double(x: float) -> float:
    return x * 2


@bundle(effects=())
def nested(a: float, items: list[Any], key: tuple[Any, ...]) -> float:
    return 1.0


def test_a_call_costs_few_function_calls() -> None:
    x, y, p = Variable(1.5, requires_grad=True), Variable(2.0), Parameter(2.0)
    items = [y, {"k": x}]
    assert calls_in(lambda: double(x)) <= 9
    assert calls_in(lambda: nested(x, items, key=(p, 1))) <= 28
