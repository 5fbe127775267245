"""One clear error for each mistake: it names the value and the fix."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import paragrad as pg
from paragrad import gen
from paragrad.errors import UsageError


@gen.generative
def two() -> float:
    return gen.sample(gen.normal(0.0, 1.0), "a") + gen.sample(gen.normal(0.0, 1.0), ("b", 1))


@gen.generative(grad=("x",))
def square(x: float) -> float:
    return gen.sample(gen.normal(x, 1.0), "z")


def body(act: Any) -> Any:
    return gen.generative(act)


BODIES = {
    "an address twice": (lambda: (gen.sample(gen.normal(0.0, 1.0), "a"), gen.sample(gen.normal(0.0, 1.0), ("a",))), "'a' twice"),
    "a call on a choice": (lambda: (gen.sample(gen.normal(0.0, 1.0), "a"), gen.sample(two(), "a")), "'a' twice"),
    "a choice below a call": (lambda: (gen.sample(two(), "a"), gen.sample(gen.normal(0.0, 1.0), ("a", "c"))), "below the call at 'a'"),
    "no address": (lambda: gen.sample(gen.normal(0.0, 1.0)), "'normal' in .* has no address"),
    "an address that is a list": (lambda: gen.sample(gen.normal(0.0, 1.0), ["a"]), r"\['a'\] cannot be a key"),
    "an empty path": (lambda: gen.sample(gen.normal(0.0, 1.0), ()), r"\(\) is no address"),
    "a number to sample": (lambda: gen.sample(3.0, "a"), "3.0 is no distribution"),
    "a distribution without arguments": (lambda: gen.sample(gen.normal, "a"), "a distribution without arguments; write"),
}


@pytest.mark.parametrize("name", BODIES)
def test_what_a_body_cannot_say(name: str) -> None:
    act, message = BODIES[name]
    with pytest.raises(UsageError, match=message):
        gen.simulate(gen.generative(act))


CALLS = {
    "a constraint that names no address": (lambda: gen.generate(two, (), {"c": 1.0}, strict=True), r"no choice at 'c'.*'a', \('b', 1\)"),
    "a path that stops half way": (lambda: gen.generate(two, (), {"b": 1.0}, strict=True), "no choice at 'b'"),
    "an update that names none": (lambda: gen.update(gen.simulate(two), (), {"c": 1.0}), "no choice at 'c'"),
    "an assessment without a choice": (lambda: gen.assess(two, (), {"a": 1.0}), r"\('b', 1\) that is not given; given: 'a'"),
    "an assessment with one too many": (lambda: gen.assess(two, (), {"a": 1.0, ("b", 1): 0.0, "c": 0.0}), "no choice at 'c'"),
    "arguments without a tuple": (lambda: gen.simulate(square, 3.0), r"args=3.0 must be a tuple"),
    "a plain function": (lambda: gen.simulate(math.sqrt, (3.0,)), "no generative function"),
    "sample outside": (lambda: gen.sample(gen.normal(0.0, 1.0), "a"), "only while a generative function runs"),
    "param outside": (lambda: gen.param("a", 0.0), "only while a generative function runs"),
    "constraints that are none": (lambda: gen.generate(two, (), [1.0]), "no choice map"),
    "an address given twice": (lambda: gen.choicemap({"a": 1.0, ("a",): 2.0}), "'a' is given twice"),
    "a context that is none": (lambda: gen.simulate(two, (), 3), "context=3 is no parameter context"),
    "a generator that is none": (lambda: gen.simulate(two, (), rng="x"), "rng='x' is no generator"),
    "a gradient mark on nothing": (lambda: gen.generative(grad=("y",))(lambda x: x), r"\['y'\] are no arguments"),
    "a parameter without its function": (lambda: gen.init_parameter("slope", 1.0), r"write gen.init_parameter\(\(f, 'name'\), value\)"),
    "half a batch": (lambda: gen.simulate(two, batch=1.5), "batch=1.5 samples make no batch"),
    "a constraint of nan": (lambda: gen.generate(two, (), {("b", 1): math.nan}), r"the value given at \('b', 1\) is nan"),
    "an assessment of nan": (lambda: gen.assess(two, (), {"a": math.nan, ("b", 1): 0.0}), "the value given at 'a' is nan"),
    "an update to nan": (lambda: gen.update(gen.simulate(two), (), {"a": math.nan}), "the value given at 'a' is nan"),
    "what generate gives": (lambda: gen.accumulate_param_gradients(gen.generate(two)), "is no trace; .* a tuple: take its first"),
    "an update of no trace": (lambda: gen.update(3, (), {}), "3 is no trace"),
    "a scale for another batch": (
        lambda: gen.accumulate_param_gradients(gen.simulate(two, batch=4), scale=np.ones(3)), r"shape \(3,\); give a number, or 4 of them"
    ),
    "a scale per sample of one": (
        lambda: gen.accumulate_param_gradients(gen.simulate(two), scale=np.ones(3)), r"shape \(3,\); give a number$"
    ),
    "an observation of nan": (lambda: gen.importance_sampling(two, (), {"a": math.nan}, 4), "the value given at 'a' is nan"),
    "a plain function to train": (lambda: gen.train(math.sqrt, lambda rng: ((), {}), None), "no generative function"),
    "examples that are none": (lambda: gen.train(two, lambda rng: None, None), r"returned None; it gives \(args, constraints\)"),
    "a scale of text": (lambda: gen.accumulate_param_gradients(gen.simulate(two), scale="2"), "scale='2' is no factor"),
    "a retgrad without a mark": (
        lambda: gen.accumulate_param_gradients(gen.simulate(square, (1.0,)), 1.0), "takes no retgrad; annotate it"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_what_a_call_cannot_mean(name: str) -> None:
    act, message = CALLS[name]
    with pytest.raises(UsageError, match=message):
        act()


def test_a_url_in_a_context_is_opened_by_whoever_makes_it() -> None:
    @gen.generative
    def f() -> float:
        return gen.param("a", 0.0)

    with pytest.raises(UsageError, match=r"open it once: pg\.stores\.open\('memory:'\)"):
        gen.simulate(f, (), {"default": "memory:"})
    with pytest.raises(UsageError, match="the parameter context holds 3 where f needs a store"):
        gen.simulate(f, (), {"default": 3})


@pytest.mark.parametrize(("held", "words"), [([1.0, 2.0], r"an array of shape \(2,\) in"), ("text", "a text in")])
def test_a_parameter_that_has_another_shape_than_its_declaration_is_named(held: Any, words: str) -> None:
    @gen.generative
    def f() -> float:
        return gen.sample(gen.normal(gen.param("w", 0.0), 1.0), "x")

    store = pg.stores.open("memory:")
    gen.init_parameter((f, "w"), held, store)
    with pytest.raises(UsageError, match=f"parameter 'w' of f is {words}.* begins with a number; start it anew"):
        gen.simulate(f, (), store)
    gen.init_parameter((f, "w"), 2.0, store)
    assert gen.simulate(f, (), store).reads[f, "w"].value == 2.0


def test_a_derivative_that_is_not_finite_pushes_nothing_at_all() -> None:
    @gen.generative
    def f() -> float:
        return gen.sample(gen.normal(gen.param("a", 0.0), 1.0), "x") + gen.sample(gen.normal(gen.param("b", 0.0), 1.0), "y")

    store = pg.stores.open("memory:")
    trace, _ = gen.generate(f, (), {"x": 1e200, "y": 1.0}, store)
    store.increment_gradient((f, "b"), 1e-9)  # adding 1e200 and taking it away again would lose it
    with pytest.raises(ValueError, match=r"the derivative for the parameter '.' of f, times the scale 1e\+200, is nan or infinite"):
        gen.accumulate_param_gradients(trace, scale=1e200)
    assert (store.get_gradient((f, "a")), store.get_gradient((f, "b")), store.get_gradient_count((f, "b"))) == (0.0, 1e-9, 1)


def test_functions_of_one_qualified_name_share_a_parameter_and_are_optimised_once() -> None:
    def made() -> Any:
        @gen.generative
        def same() -> float:
            return gen.sample(gen.normal(gen.param("w", 0.0), 1.0), "x")

        return same

    one, two = made(), made()

    @gen.generative
    def both() -> float:
        return gen.sample(one(), "one") + gen.sample(two(), "two")

    store = pg.stores.open("memory:")
    trace, _ = gen.generate(both, (), {("one", "x"): 1.0, ("two", "x"): 2.0}, store)
    gen.accumulate_param_gradients(trace)
    assert both.parameter_ids(store) == {store: [(one, "w")]}
    pg.apply_update(pg.init_optimizer(pg.rules.FixedStepGradientDescent(1.0), both, store))
    assert store.get_parameter_value((two, "w")) == 3.0


@pytest.mark.parametrize("act", [math.exp, float, np.array, np.sort, np.fft.fft])
def test_a_function_that_would_lose_the_gradient_is_refused(act: Any) -> None:
    @gen.generative(grad=True)
    def f(x: Any) -> Any:
        return act(x)

    value = 0.5 if act in (math.exp, float) else np.array([0.5, 0.1])
    with pytest.raises(TypeError, match=r"gradient|derivative"):
        gen.choice_gradients(gen.simulate(f, (value,)), None, 1.0)


def test_a_body_that_strays_from_its_trace_is_told() -> None:
    turns: list[int] = []

    @gen.generative(grad=True)
    def f(x: float) -> float:
        turns.append(1)
        return gen.sample(gen.normal(x, 1.0), len(turns))

    with pytest.raises(UsageError, match="but not when its trace was made"):
        gen.choice_gradients(gen.simulate(f, (1.0,)))


def test_a_failing_body_leaves_nothing_behind() -> None:
    store = pg.stores.open("memory:")

    @gen.generative
    def f(x: float) -> float:
        return gen.sample(gen.normal(0.0, 1.0), "a") / x

    with pytest.raises(ZeroDivisionError):
        gen.simulate(f, (0.0,), store)
    with pytest.raises(UsageError, match="only while"):
        gen.sample(gen.normal(0.0, 1.0), "a")


def test_async_bodies_are_refused() -> None:
    async def f() -> None: ...

    with pytest.raises(UsageError, match="take async and yield out of it"):
        gen.generative(f)


@pytest.mark.parametrize("loop", ["train", "black_box_vi"])
def test_an_optimizer_over_another_store_is_refused_before_anything_is_pushed(loop: str) -> None:
    @gen.generative
    def guide() -> None:
        gen.sample(gen.normal(gen.param("m", 0.0), 1.0), "a")

    here, there = pg.stores.open("memory:"), pg.stores.open("memory:")
    optimizer = gen.init_optimizer(pg.rules.FixedStepGradientDescent(0.1), guide, there)

    def run(context: Any) -> Any:
        if loop == "train":
            return gen.train(guide, lambda rng: ((), {"a": 1.0}), optimizer, context=context)
        return gen.black_box_vi(two, (), {("b", 1): 1.0}, guide, (), optimizer, iters=1, samples_per_iter=2, context=context)

    with pytest.raises(UsageError, match=r"nothing would learn; give gen.init_optimizer and this loop the same context="):
        run(here)
    assert here.get_gradient_count((guide, "m")) == 0
    run(there)
    assert there.get_parameter_value((guide, "m")) != 0.0
