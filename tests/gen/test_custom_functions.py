"""Generative functions that are not written in the modelling language, and combinators over them."""

from __future__ import annotations

import math
from typing import Any

import pytest

import paragrad as pg
from paragrad import gen
from paragrad.errors import UsageError


class Pair(gen.GenerativeFunction):
    """Two independent normals around a parameter; only what must be written is."""

    argument_grads = (True,)
    output_grad = True

    def simulate(self, args: Any, env: Any) -> gen.Trace:
        return self.generate(args, gen.choicemap({}), env)[0]

    def generate(self, args: Any, constraints: gen.Choices, env: Any) -> tuple[gen.Trace, float]:
        mean = args[0] + env.param(self, "shift", 1.0)
        values = {name: constraints.get(name, env.rng.gauss(mean, 1.0)) for name in ("left", "right")}
        logps = {name: -0.5 * (value - mean) ** 2 - 0.5 * math.log(2 * math.pi) for name, value in values.items()}
        trace = gen.Trace(self, args, sum(values.values()), sum(logps.values()), values, env, logps=logps, reads=env.reads(self))
        return trace, sum(logps[name] for name in values if name in constraints)

    def gradients(self, trace: Any, selection: Any, retgrad: Any, needed: Any, scale: Any = 1.0) -> gen.Gradients:
        mean = trace.args[0] + trace.env.param(self, "shift")
        slopes = {name: trace[name] - mean for name in ("left", "right")}
        choices = {name: -scale * slope + (retgrad or 0.0) for name, slope in slopes.items() if name in selection}
        total = scale * sum(slopes.values())
        return gen.Gradients((total,), choices, {(self, "shift"): total})


pair = Pair()


@gen.generative(grad=True)
def around(x: float) -> float:
    return gen.sample(pair(x * 2.0), "pair") * gen.param("weight", 3.0)


@pytest.fixture
def store() -> Any:
    return pg.stores.open("memory:")


def test_gradients_pass_through_it(store: Any) -> None:
    trace, weight = gen.generate(around, (1.0,), {("pair", "left"): 4.0, ("pair", "right"): 5.0}, store, strict=True)
    assert weight == trace.score
    args, _, grads = gen.choice_gradients(trace, None, 1.0)
    assert args == (2.0 * (1.0 + 2.0),)
    assert dict(grads) == {("pair", "left"): -1.0 + 3.0, ("pair", "right"): -2.0 + 3.0}
    gen.accumulate_param_gradients(trace, 1.0)
    assert store.get_gradient((pair, "shift")) == 3.0
    assert store.get_gradient((around, "weight")) == 9.0
    assert around.parameter_ids(store)[store] == [(around, "weight"), (pair, "shift")]


def test_verbs_it_does_not_write_follow_from_generate(store: Any) -> None:
    trace = gen.simulate(pair, (0.0,), store, rng=1)
    assert gen.assess(pair, (0.0,), trace.choices, store) == (trace.score, trace.retval)
    made, weight, change, discard = gen.update(trace, None, {"left": 0.5})
    assert dict(discard) == {"left": trace["left"]}
    assert made["right"] == trace["right"]
    assert weight == pytest.approx(made.score - trace.score)
    assert change is gen.Change.UNKNOWN
    again, weight, _ = gen.regenerate(trace, gen.select("right"), (0.3,), rng=2)
    assert again["left"] == trace["left"]
    assert again["right"] != trace["right"]
    assert weight == pytest.approx(gen.project(again, gen.select("left")) - gen.project(trace, gen.select("left")))
    assert gen.project(trace, gen.select("left")) + gen.project(trace, gen.select("right")) == pytest.approx(trace.score)
    with pytest.raises(UsageError, match="not given: 'right'"):
        gen.assess(pair, (0.0,), {"left": 1.0}, store)


def test_it_cannot_be_spliced_or_branched_to() -> None:
    @gen.generative
    def spliced() -> float:
        return gen.sample(pair(0.0))

    with pytest.raises(UsageError, match="cannot be spliced"):
        gen.simulate(spliced)
    with pytest.raises(UsageError, match=r"branch of switch must be written with @gen\.generative"):
        gen.switch(pair)


def test_one_without_gradients_says_so(store: Any) -> None:
    class Silent(Pair):
        gradients = gen.GenerativeFunction.gradients

    with pytest.raises(UsageError, match="has no gradients; write its method"):
        gen.accumulate_param_gradients(gen.simulate(Silent(), (0.0,), store))


def test_combinators_pass_the_context_through_every_verb(store: Any) -> None:
    @gen.generative(grad=True)
    def step(t: int, state: float) -> float:
        return gen.sample(pair(state * 0.1), "pair") + gen.param("drift", 0.2)

    @gen.generative(grad=True)
    def other(x: float) -> float:
        return gen.sample(gen.normal(x * gen.param("gain", 2.0), 1.0), "z")

    chain, pick = gen.unfold(step), gen.switch(around, other)

    @gen.generative(grad=True)
    def model(x: float) -> float:
        states = gen.sample(chain(3, x), "chain")
        picked = gen.sample(gen.map_(pick)([0, 1, 1], states), "picked")
        return sum(picked)

    trace = gen.simulate(model, (0.4,), store, rng=5)
    stores = [trace.versions, gen.generate(model, (0.4,), {("picked", 1, "z"): 0.0}, store, strict=True)[0].versions]
    stores += [gen.update(trace, (0.5,), {("picked", 2, "z"): 1.0})[0].versions, gen.regenerate(trace, gen.select("chain"))[0].versions]
    assert [{owner for owner, _ in found} for found in stores] == [{step, pair, around, other}] * 4
    assert {kept for found in stores for kept, _ in found.values()} == {store}
    gen.accumulate_param_gradients(trace, 1.0)
    assert all(store.get_gradient(id) != 0.0 for id in trace.versions)
    made, weight, _, discard = gen.update(trace, None, {("picked", 0, "pair", "left"): 0.0})
    assert list(discard) == [("picked", 0, "pair", "left")]
    assert weight == pytest.approx(made.score - trace.score)


def test_changing_a_switch_keeps_shared_addresses(store: Any) -> None:
    @gen.generative
    def near() -> float:
        return gen.sample(gen.normal(0.0, 1.0), "z")

    @gen.generative
    def far() -> float:
        return gen.sample(gen.normal(gen.sample(gen.normal(5.0, 1.0), "where"), 1.0), "z")

    trace, _ = gen.generate(gen.switch(near, far), (0,), {"z": 1.0}, store)
    made, weight, _, discard = gen.update(trace, (1,), {"where": 2.0})
    assert made["z"] == 1.0
    assert not discard
    assert weight == pytest.approx(made.score - trace.score)
    back, reverse, _, dropped = gen.update(made, (0,))
    assert dict(dropped) == {"where": 2.0}
    assert reverse == pytest.approx(-weight)
    assert back.score == trace.score


def test_an_update_runs_only_the_steps_that_it_changes(store: Any) -> None:
    runs = []

    @gen.generative
    def step(t: int, state: float) -> float:
        runs.append(t)
        return gen.sample(gen.normal(state, 1.0), "x")

    chain = gen.unfold(step)
    trace = gen.simulate(chain, (50, 0.0), store)
    runs.clear()
    made, weight, _, _ = gen.update(trace, None, {(20, "x"): 0.0})
    assert runs == [20, 21]
    assert weight == pytest.approx(made.score - trace.score)


@pytest.mark.parametrize("make", [gen.map_, gen.unfold, gen.switch])
def test_combinators_refuse_plain_functions(make: Any) -> None:
    with pytest.raises(UsageError, match=r"@gen\.generative"):
        make(math.sqrt)


def test_a_combinator_made_twice_is_one_function() -> None:
    assert gen.map_(around) is gen.map_(around)
    assert gen.switch(around, around) is not gen.switch(around)
    with pytest.raises(UsageError, match="at least one branch"):
        gen.switch()


def test_map_and_switch_refuse_what_does_not_fit() -> None:
    with pytest.raises(UsageError, match=r"lengths \[1, 2\]"):
        gen.simulate(gen.map_(around), ([1.0], [2.0, 3.0]))
    with pytest.raises(UsageError, match="branches 0 to 0; got 4"):
        gen.simulate(gen.switch(around), (4, 1.0))
