"""GT5 to GT12: the reference cases of the parameter-store document's own library, with their numbers."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

import paragrad as pg
from paragrad import gen


@gen.generative(grad=True)
def bar(mu_z: float) -> float:
    z = gen.sample(gen.normal(mu_z + gen.param("theta1", 0.0), 1.0), "z")
    return z + mu_z


@gen.generative(grad=("mu_a", "return"))
def foo(mu_a: float) -> float:
    theta2 = gen.param("theta2", 0.0)
    a = gen.sample(gen.normal(mu_a, 1.0), "a")
    b = gen.sample(gen.normal(a, 1.0), "b")
    c = a * b * gen.sample(bar(a), "bar")
    return gen.sample(gen.normal(c, 1.0), "out") + theta2 * 3


GIVEN = {"a": 2.0, "b": 3.0, ("bar", "z"): 4.0, "out": 5.0}


@pytest.fixture
def store() -> Any:
    return pg.stores.open("memory:")


def test_gt5_a_function_that_returns_its_parameter(store: Any) -> None:
    @gen.generative(grad=("return",))
    def f() -> float:
        return gen.param("theta", 0.0)

    trace = gen.simulate(f, (), store)
    assert trace.score == 0.0
    gen.accumulate_param_gradients(trace, 1.0)
    assert store.get_gradient((f, "theta")) == 1.0


def test_gt6_gradients_through_a_call(store: Any) -> None:
    trace, weight = gen.generate(foo, (1.0,), GIVEN, store, strict=True)
    assert trace.score == weight == pytest.approx(-487.17575413281867, abs=1e-12)
    args, values, grads = gen.choice_gradients(trace, gen.select("a", ("bar", "z"), "out"), 2.0)
    assert args == (1.0,)
    assert dict(grads) == {"a": -742.0, ("bar", "z"): -188.0, "out": 33.0}
    assert dict(values) == {"a": 2.0, ("bar", "z"): 4.0, "out": 5.0}
    assert gen.accumulate_param_gradients(trace, 2.0) == (1.0,)
    assert store.get_gradient((bar, "theta1")) == 2.0
    assert store.get_gradient((foo, "theta2")) == 6.0
    ids = foo.parameter_ids(store)
    assert list(ids) == [store]
    assert ids[store] == [(foo, "theta2"), (bar, "theta1")]


def test_gt7_a_parameter_that_multiplies_a_call(store: Any) -> None:
    @gen.generative(grad=True)
    def inner(mu: float) -> float:
        return gen.sample(gen.normal(mu, 1.0), "z") + mu

    @gen.generative(grad=True)
    def outer(mu_a: float) -> float:
        a = gen.sample(gen.normal(mu_a, 1.0), "a")
        b = gen.sample(gen.normal(a, 1.0), "b")
        return gen.sample(gen.normal(a * b * gen.sample(inner(a), "bar") * gen.param("theta", -0.5), 1.0), "out")

    trace, _ = gen.generate(outer, (1.0,), GIVEN, store, strict=True)
    assert trace.score == pytest.approx(-271.17575413281867, abs=1e-12)
    args, _, grads = gen.choice_gradients(trace, gen.select("a", "bar", "out"), 2.0)
    assert args == (1.0,)
    assert dict(grads) == {"a": -274.0, ("bar", "z"): -71.0, "out": -21.0}
    gen.accumulate_param_gradients(trace, 2.0)
    assert store.get_gradient((outer, "theta")) == 828.0


def test_gt8_a_spliced_call_reads_its_own_parameters(store: Any) -> None:
    @gen.generative(grad=True)
    def baz() -> float:
        return gen.param("theta", 0.0)

    @gen.generative(grad=True)
    def around() -> float:
        return gen.sample(baz())

    gen.accumulate_param_gradients(gen.simulate(around, (), store), 2.0)
    assert store.get_gradient((baz, "theta")) == 2.0


def test_gt9_map(store: Any) -> None:
    @gen.generative(grad=True)
    def f(x: float, y: float) -> float:
        return gen.sample(gen.normal(x + y, gen.param("std", 1.0)), "z")

    trace, _ = gen.generate(gen.map_(f), ([1.0, 2.0], [3.0, 4.0]), {(0, "z"): 1.1, (1, "z"): 2.2}, store, strict=True)
    assert trace.retval == [1.1, 2.2]
    args = gen.accumulate_param_gradients(trace)
    assert args[0] == pytest.approx([-2.9, -3.8])
    assert args[1] == pytest.approx([-2.9, -3.8])
    assert store.get_gradient((f, "std")) == pytest.approx(20.85)


def test_gt10_unfold(store: Any) -> None:
    @gen.generative(grad=("alpha", "beta"))
    def kernel(t: int, x: float, alpha: float, beta: float) -> float:
        return gen.sample(gen.normal(x * alpha + beta, gen.param("std", 1.0)), "x")

    trace, _ = gen.generate(gen.unfold(kernel), (2, 0.1, 0.2, 0.3), {(0, "x"): 1.1, (1, "x"): 1.2}, store, strict=True)
    args = gen.accumulate_param_gradients(trace)
    assert args[:2] == (None, None)
    assert args[2:] == (pytest.approx(0.78 * 0.1 + 0.68 * 1.1), pytest.approx(1.46))
    assert store.get_gradient((kernel, "std")) == pytest.approx(-0.9292)

    @gen.generative
    def double(t: int, x: float) -> float:
        return x * 2

    assert gen.simulate(gen.unfold(double), (10, 1.0)).retval[-1] == 1024.0


@pytest.mark.parametrize(
    ("index", "mean", "expected"),
    [(0, 8.0, [1.481481, 0.592593, 0.0, -0.185185]), (1, 11.0, [3.370370, 2.037037, 1.0, -0.296296])],
)
def test_gt11_switch(store: Any, index: int, mean: float, expected: list[float]) -> None:
    @gen.generative
    def near() -> float:
        return gen.sample(gen.normal(8.0, gen.param("std", 3.0)), "z")

    @gen.generative
    def far() -> float:
        return gen.sample(gen.normal(11.0, gen.param("std", 3.0)), "z")

    pick = gen.switch(near, far)

    @gen.generative
    def around(index: int) -> float:
        return gen.sample(pick(index), "x")

    for z, wanted in zip((1.0, 3.0, 5.0, 10.0), expected, strict=True):
        trace, _ = gen.generate(around, (index,), {("x", "z"): z}, store, strict=True)
        gen.accumulate_param_gradients(trace)
        id = ((near, far)[index], "std")
        assert store.get_gradient(id) == pytest.approx(wanted, abs=1e-6)
        store.reset_gradient(id)


def test_gt12_simulate_update_project() -> None:
    @gen.generative
    def coin() -> bool:
        return gen.sample(gen.bernoulli(0.4), "x")

    scores = {gen.simulate(coin, rng=seed).score for seed in range(20)}
    assert sorted(scores) == pytest.approx([math.log(0.4), math.log(0.6)])

    @gen.generative
    def loopy() -> None:
        a = gen.sample(gen.normal(0.0, 1.0), "a")
        for i in range(5):
            gen.sample(gen.normal(a, 1.0), ("data", i))

    trace, _ = gen.generate(loopy, (), {"a": 0.0, **{("data", i): 0.0 for i in range(5)}}, strict=True)
    made, weight, _, discard = gen.update(trace, (), {"a": 1.0})
    assert weight == pytest.approx(-3.0)
    assert dict(discard) == {"a": 0.0}
    assert made["a"] == 1.0
    assert trace["a"] == 0.0
    assert gen.project(made, gen.select()) == 0.0
    single = gen.project(made, gen.select("a"))
    assert single == pytest.approx(-0.5 - 0.5 * math.log(2 * math.pi))
    assert gen.project(made, gen.select("a", "data")) == pytest.approx(made.score)


def test_seeds_never_touch_the_global_generator() -> None:
    before = random.getstate()
    with gen.seed(3):
        one = gen.simulate(foo, (1.0,)).choices
    with gen.seed(3):
        two = gen.simulate(foo, (1.0,)).choices
    assert dict(one) == dict(two) == dict(gen.simulate(foo, (1.0,), rng=3).choices)
    gen.simulate(foo, (1.0,))
    assert random.getstate() == before
