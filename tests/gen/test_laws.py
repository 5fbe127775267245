"""Laws of the interface, on random models: what the verbs promise about each other, and gradients by differences."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import pytest

import paragrad as pg
from paragrad import gen

SEEDS = range(12)


def random_model(seed: int) -> tuple[Any, tuple[float, ...]]:
    """A function with calls, splices, a map, an unfold, discrete branches and parameters, drawn from a seed."""
    rng = random.Random(seed)
    weights = [rng.uniform(-1, 1) for _ in range(8)]

    @gen.generative(grad=True)
    def leaf(x: float) -> float:
        z = gen.sample(gen.normal(gen.tanh(x) * weights[0] + gen.param("shift", 0.3), gen.exp(gen.param("log_std", -0.2))), "z")
        return z * weights[1] + x

    @gen.generative(grad=True)
    def step(t: int, state: float, drift: float) -> float:
        return gen.sample(gen.normal(state * 0.5 + drift, 1.0 + 0.1 * t), "s")

    many, chain = gen.map_(leaf), gen.unfold(step)

    @gen.generative(grad=True)
    def model(a: float, b: float) -> float:
        slope = gen.param("slope", 0.7)
        u = gen.sample(gen.normal(a * slope, 0.8), "u")
        flag = gen.sample(gen.bernoulli(gen.sigmoid(u + b)), "flag")
        v = gen.sample(leaf(u * b), "leaf") if flag else gen.sample(gen.normal(u, 1.5), ("side", "v"))
        w = gen.sample(many([u, v, a]), "many")
        states = gen.sample(chain(3, w[0], b), "chain")
        spliced = gen.sample(leaf(weights[2] + states[-1]))
        return v * weights[3] + sum(w) * weights[4] + spliced / (2.0 + u**2)

    return model, (rng.uniform(-1, 1), rng.uniform(-1, 1))


def trace_of(seed: int) -> gen.Trace:
    model, args = random_model(seed)
    return gen.simulate(model, args, pg.stores.open("memory:"), rng=seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_score_of_simulate_is_what_assess_says(seed: int) -> None:
    trace = trace_of(seed)
    weight, retval = gen.assess(trace.gen_fn, trace.args, trace.choices, trace.context)
    assert weight == trace.score
    assert retval == trace.retval
    again, full = gen.generate(trace.gen_fn, trace.args, trace.choices, trace.context, strict=True)
    assert full == pytest.approx(weight, rel=1e-12)
    assert again.score == trace.score
    choices, score, _ = gen.propose(trace.gen_fn, trace.args, trace.context, rng=seed)
    assert dict(choices) == dict(trace.choices)
    assert score == trace.score


@pytest.mark.parametrize("seed", SEEDS)
def test_generate_weighs_what_is_given(seed: int) -> None:
    trace = trace_of(seed)
    given = trace.choices.selected(gen.select("u", "many", "s"))
    made, weight = gen.generate(trace.gen_fn, trace.args, given, trace.context, strict=True, rng=seed + 1)
    assert weight == pytest.approx(gen.project(made, gen.select("u", "many")))
    assert all(made[address] == value for address, value in given.items())
    free, zero = gen.generate(trace.gen_fn, trace.args, None, trace.context, rng=seed)
    assert zero == 0.0
    assert free.score == trace.score


@pytest.mark.parametrize("seed", SEEDS)
def test_projections_add_up_to_the_score(seed: int) -> None:
    trace = trace_of(seed)
    assert gen.project(trace, ~gen.select()) == pytest.approx(trace.score)
    assert gen.project(trace, gen.select()) == 0.0
    parts = [gen.project(trace, gen.select(address)) for address in trace.choices]
    assert math.fsum(parts) == pytest.approx(trace.score)
    half = gen.select(*list(trace.choices)[::2])
    assert gen.project(trace, half) + gen.project(trace, ~half) == pytest.approx(trace.score)


@pytest.mark.parametrize("seed", SEEDS)
def test_update_with_its_discard_restores(seed: int) -> None:
    trace = trace_of(seed)
    given = {"u": 0.25, "flag": not trace["flag"], ("many", 1, "z"): -0.5}
    made, weight, _, discard = gen.update(trace, (0.3, -0.2), given, rng=seed)
    assert made["u"] == 0.25
    assert made.args == (0.3, -0.2)
    back, reverse, _, dropped = gen.update(made, trace.args, discard)
    assert dict(back.choices) == dict(trace.choices)
    assert back.retval == trace.retval
    assert dropped["u"] == 0.25
    sampled = gen.project(made, gen.select(*[address for address in made.choices if address not in trace.choices]))
    assert weight == pytest.approx(made.score - trace.score - sampled)
    assert reverse == pytest.approx(trace.score - made.score)
    same, nothing, unchanged, empty = gen.update(trace)
    assert nothing == 0.0
    assert unchanged is gen.Change.NONE
    assert not empty
    assert same.score == trace.score


@pytest.mark.parametrize("seed", SEEDS)
def test_regenerate_keeps_what_is_not_selected(seed: int) -> None:
    trace = trace_of(seed)
    selection = gen.select("u", ("chain", 1))
    made, weight, _ = gen.regenerate(trace, selection, rng=seed + 100)
    kept = [address for address in trace.choices if address not in selection and address in made.choices]
    assert made["u"] != trace["u"]
    assert len(kept) >= 6
    assert all(made[address] == trace[address] for address in kept)
    chosen = gen.select(*kept)
    assert weight == pytest.approx(gen.project(made, chosen) - gen.project(trace, chosen))
    same, zero, _ = gen.regenerate(trace, gen.select())
    assert zero == 0.0
    assert dict(same.choices) == dict(trace.choices)


def derivative(f: Callable[[float], float], at: float, step: float = 1e-5) -> float:
    return (f(at + step) - f(at - step)) / (2 * step)


@pytest.mark.parametrize("seed", SEEDS)
def test_gradients_are_those_of_differences(seed: int) -> None:
    trace = trace_of(seed)
    f, retgrad = trace.gen_fn, 0.7

    def objective(args: Any, choices: Any) -> float:
        score, retval = gen.assess(f, args, choices, trace.context)
        return score + retgrad * retval

    args, values, grads = gen.choice_gradients(trace, None, retgrad)
    for place, found in enumerate(args):
        moved = lambda x, place=place: tuple(x if i == place else arg for i, arg in enumerate(trace.args))  # noqa: E731
        assert found == pytest.approx(derivative(lambda x, m=moved: objective(m(x), trace.choices), trace.args[place]), abs=1e-5)
    assert set(grads) == set(trace.choices) - {"flag"}
    for address, found in grads.items():
        slope = derivative(lambda x, a=address: objective(trace.args, trace.choices.merged({a: x})), values[address])
        assert found == pytest.approx(slope, abs=1e-5)


@pytest.mark.parametrize("seed", SEEDS)
def test_parameter_gradients_are_those_of_differences(seed: int) -> None:
    trace = trace_of(seed)
    (store,) = trace.context.values()
    retgrad, scale = -0.4, 3.0
    gen.accumulate_param_gradients(trace, retgrad, scale)
    ids = [id for own in trace.gen_fn.parameter_ids(store).values() for id in own]
    assert len(ids) == 3
    for id in ids:

        def at(value: float, id: Any = id) -> float:
            store.set_parameter_value(id, value)
            score, retval = gen.assess(trace.gen_fn, trace.args, trace.choices, store)
            return score + retgrad * retval

        before = store.get_parameter_value(id)
        slope = derivative(at, before)
        store.set_parameter_value(id, before)
        assert store.get_gradient(id) == pytest.approx(scale * slope, abs=1e-4)
