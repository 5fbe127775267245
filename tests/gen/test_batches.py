"""Batched traces: one run of the body, many samples; the same numbers as sample by sample."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import paragrad as pg
from paragrad import gen
from paragrad.errors import UsageError


@gen.generative(grad=True)
def leaf(x: Any) -> Any:
    return gen.sample(gen.normal(x * gen.param("gain", 1.5), gen.exp(gen.param("log_std", 0.2))), "z")


@gen.generative(grad=True)
def model(x: Any) -> Any:
    u = gen.sample(gen.normal(gen.param("mu", 0.3) + x, 0.7), "u")
    flag = gen.sample(gen.bernoulli(gen.sigmoid(u)), "flag")
    v = gen.sample(leaf(u * flag), "leaf")
    return np.tanh(v) * gen.param("weight", 2.0) + gen.sample(leaf(x))


SIZE = 6


@pytest.fixture
def store() -> Any:
    return pg.stores.open("memory:")


def singles(trace: gen.Trace, store: Any) -> list[gen.Trace]:
    rows = [{address: value[i].item() for address, value in trace.choices.items()} for i in range(SIZE)]
    return [gen.generate(model, trace.args, row, store, strict=True)[0] for row in rows]


def test_scores_and_values_are_those_of_the_samples(store: Any) -> None:
    trace = gen.simulate(model, (0.4,), store, rng=0, batch=SIZE)
    assert trace["u"].shape == trace.score.shape == trace.retval.shape == (SIZE,)
    each = singles(trace, store)
    assert trace.score == pytest.approx([one.score for one in each])
    assert trace.retval == pytest.approx([one.retval for one in each])
    weight, _ = gen.assess(model, trace.args, trace.choices, store, batch=SIZE)
    assert weight == pytest.approx(trace.score)
    assert gen.project(trace, gen.select("u")) == pytest.approx([gen.project(one, gen.select("u")) for one in each])


def test_gradients_are_weighted_sums_over_the_samples(store: Any) -> None:
    trace = gen.simulate(model, (0.4,), store, rng=0, batch=SIZE)
    scale = np.linspace(-1.0, 2.0, SIZE)
    gen.accumulate_param_gradients(trace, 0.5, scale)
    ids = list(trace.versions)
    batched = [store.get_gradient(id) for id in ids]
    for id in ids:
        store.reset_gradient(id)
    for one, factor in zip(singles(trace, store), scale, strict=True):
        gen.accumulate_param_gradients(one, 0.5, factor)
    assert len(ids) == 4
    assert batched == pytest.approx([store.get_gradient(id) for id in ids])


def test_choice_gradients_have_one_row_per_sample(store: Any) -> None:
    trace = gen.simulate(model, (0.4,), store, rng=0, batch=SIZE)
    _, _, grads = gen.choice_gradients(trace, gen.select("u", "leaf"), 1.0)
    each = [gen.choice_gradients(one, gen.select("u", "leaf"), 1.0)[2] for one in singles(trace, store)]
    assert grads["u"] == pytest.approx([one["u"] for one in each])
    assert grads["leaf", "z"] == pytest.approx([one["leaf", "z"] for one in each])


def test_given_values_may_be_one_for_all_or_one_each(store: Any) -> None:
    trace, weight = gen.generate(model, (0.4,), {"u": 0.1, "flag": np.ones(SIZE)}, store, rng=0, batch=SIZE)
    one, single = gen.generate(model, (0.4,), {"u": 0.1, "flag": 1.0}, store, rng=0)
    assert np.broadcast_to(weight, SIZE) == pytest.approx([single] * SIZE)
    assert trace["leaf", "z"].shape == (SIZE,)
    again, _, _ = gen.regenerate(trace, gen.select("leaf"), rng=1)
    assert (again["leaf", "z"] != trace["leaf", "z"]).all()
    made, weight, _, _ = gen.update(trace, None, {"u": np.zeros(SIZE)})
    assert weight == pytest.approx(made.score - trace.score)
    assert one["u"] == 0.1


def test_a_batch_is_reproducible_and_refuses_what_it_cannot() -> None:
    one, two = (gen.simulate(leaf, (1.0,), rng=3, batch=4)["z"].tolist() for _ in range(2))
    assert one == two
    with pytest.raises(UsageError, match="batch=0"):
        gen.simulate(leaf, (1.0,), batch=0)

    class Odd:
        kind, differentiable, args = "odd", False, ()

    @gen.generative
    def f() -> Any:
        return gen.sample(Odd(), "x")

    with pytest.raises(UsageError, match="odd cannot be sampled in a batch"):
        gen.simulate(f, batch=3)
