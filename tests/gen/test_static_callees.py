"""Static functions and how they are called: themselves, with defaults and names, with stores of their own."""

from __future__ import annotations

from typing import Any

import pytest

import paragrad as pg
from paragrad import gen


def chain(static: bool) -> Any:
    @gen.generative(static=static, grad=True)
    def link(n: int, x: float) -> Any:
        if n == 0:
            return x * gen.param("last", 2.0)
        z = gen.sample(gen.normal(x * gen.param("w", 0.5), 1.0), "z")
        return gen.sample(link(n - 1, z), "in") if n % 2 else gen.sample(link(n - 1, z + 0.5), "on") + x

    return link


def test_a_static_function_that_calls_itself_gives_the_bits_of_its_body() -> None:
    fast, slow = chain(True), chain(False)
    for depth in (0, 1, 4):
        for _ in range(2):  # recorded, then replayed
            one, other = gen.simulate(fast, (depth, 0.7), rng=3), gen.simulate(slow, (depth, 0.7), rng=3)
            assert (dict(one.choices), one.score, one.retval) == (dict(other.choices), other.score, other.retval)
            found, wanted = gen.param_gradients(one, 1.5), gen.param_gradients(other, 1.5)
            assert found.args == wanted.args
            assert {name: grad for (_, name), grad in found.params.items()} == {name: grad for (_, name), grad in wanted.params.items()}


def test_defaults_and_names_of_arguments() -> None:
    @gen.generative(static=True, grad=True)
    def leaf(x: float, y: float = 2.0) -> float:
        return gen.sample(gen.normal(x * gen.param("w", 0.5), 1.0), "z") * y  # type: ignore[no-any-return]

    @gen.generative(static=True, grad=True)
    def caller(x: float) -> float:
        return gen.sample(leaf(x), "a") + gen.sample(leaf(y=x, x=1.0), "b")

    given = {"a": {"z": 1.0}, "b": {"z": 3.0}}
    for _ in range(2):
        trace, _weight = gen.generate(caller, (0.5,), given)
        assert trace.retval == 1.0 * 2.0 + 3.0 * 0.5
        found = gen.param_gradients(trace, 1.0)
        assert found.params[leaf, "w"] == pytest.approx((1.0 - 0.25) * 0.5 + (3.0 - 0.5) * 1.0)
        assert found.args == (pytest.approx((1.0 - 0.25) * 0.5 + 3.0),)


def test_a_callee_with_a_store_of_its_own() -> None:
    @gen.generative(static=True, store="other")
    def keyed(x: float) -> float:
        return gen.sample(gen.normal(x * gen.param("w", 0.5), 1.0), "z")  # type: ignore[no-any-return]

    @gen.generative(static=True)
    def caller(x: float) -> float:
        return gen.sample(keyed(x), "k") + gen.param("w", 1.0)  # type: ignore[no-any-return]

    here, there = pg.stores.open("memory:"), pg.stores.open("memory:")
    context = {"default": here, "other": there}
    trace, _ = gen.generate(caller, (1.0,), {"k": {"z": 2.0}}, context)
    gen.accumulate_param_gradients(trace)
    assert (there.get_gradient((keyed, "w")), here.get_gradient((caller, "w"))) == (1.5, 0.0)
    gen.init_parameter((keyed, "w"), 3.0, there)
    assert gen.simulate(caller, (1.0,), context).reads[keyed, "w"].value == 3.0
