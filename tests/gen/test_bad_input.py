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
