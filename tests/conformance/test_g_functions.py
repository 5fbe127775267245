"""Section G, generative functions: contexts (G3), the interface (G13), stale traces (G14)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest

import paragrad as pg
from paragrad import gen
from paragrad.errors import StaleTrace


@gen.generative
def noise() -> float:
    return gen.sample(gen.normal(0.0, gen.param("std", 1.0)), "e")


@gen.generative(grad=True)
def line(x: float) -> float:
    return gen.sample(gen.normal(gen.param("slope", 2.0) * x, 0.5), "y") + gen.sample(noise(), "noise")


lines = gen.map_(line)
chain = gen.unfold(gen.generative(grad=True)(lambda t, x: gen.sample(line(x), "line")))
either = gen.switch(line, line)


@gen.generative(grad=True)
def everything(x: float) -> float:
    several = gen.sample(lines([x, 2 * x]), "lines")
    last = gen.sample(chain(2, several[0]), "chain")[-1]
    return gen.sample(either(1, last), "either") + gen.sample(line(x))


def stores_of(trace: gen.Trace) -> dict[str, set[Any]]:
    found: dict[str, set[Any]] = {}
    for (owner, name), (store, _) in trace.versions.items():
        found.setdefault(f"{owner!r}.{name}", set()).add(store)
    return found


def test_G3_the_context_is_carried_through_callees_combinators_update_and_threads() -> None:
    shared, own = pg.stores.open("memory:"), pg.stores.open("memory:")
    context = {"default": shared, noise: own}
    wanted = {"line.slope": {shared}, "noise.std": {own}}
    trace = gen.simulate(everything, (0.5,), context, rng=0)
    assert stores_of(trace) == wanted
    assert stores_of(gen.generate(everything, (0.5,), {("lines", 0, "y"): 1.0}, context, strict=True)[0]) == wanted
    assert stores_of(gen.update(trace, (0.7,), {("chain", 1, "line", "y"): 0.0})[0]) == wanted
    assert stores_of(gen.regenerate(trace, gen.select("either"))[0]) == wanted
    gen.accumulate_param_gradients(trace)
    assert shared.get_gradient((line, "slope")) != 0.0
    assert own.get_gradient((noise, "std")) != 0.0
    assert everything.parameter_ids(context) == {shared: [(line, "slope")], own: [(noise, "std")]}
    with pg.parameter_context(context), ThreadPoolExecutor(2) as pool:
        inside = [copy_context() for _ in range(4)]
        traces = list(pool.map(lambda c: c.run(gen.simulate, everything, (0.5,)), inside))
    assert [stores_of(one) for one in traces] == [wanted] * 4
    default = pg.stores.default_parameter_store
    assert not [id for id in default.ids() if id.startswith(f"{__name__}.")]


def test_G13_the_interface() -> None:
    store = pg.stores.open("memory:")
    trace, weight = gen.generate(line, (1.0,), {"y": 2.5}, store, strict=True, rng=0)
    assert weight == pytest.approx(gen.project(trace, gen.select("y")))
    choices, score, retval = gen.propose(line, (1.0,), store, rng=1)
    assert gen.assess(line, (1.0,), choices, store) == (pytest.approx(score), retval)
    made, weight, change, discard = gen.update(trace, None, {"y": 3.0})
    assert (dict(discard), change) == ({"y": 2.5}, gen.Change.UNKNOWN)
    assert weight == pytest.approx(made.score - trace.score)
    again, weight, _ = gen.regenerate(trace, gen.select("noise"), rng=2)
    assert (again["y"], weight) == (2.5, 0.0)
    args, values, grads = gen.choice_gradients(trace, gen.select("y"), 1.0)
    assert args == (pytest.approx(2.0 * (2.5 - 2.0) / 0.25),)
    assert (dict(values), dict(grads)) == ({"y": 2.5}, {"y": pytest.approx(1.0 - (2.5 - 2.0) / 0.25)})
    assert gen.accumulate_param_gradients(trace, 1.0, scale=3.0) == args  # not scaled
    assert store.get_gradient((line, "slope")) == pytest.approx(3.0 * (2.5 - 2.0) / 0.25)
    for f, given in ((lines, ([1.0, 2.0],)), (chain, (3, 1.0)), (either, (0, 1.0))):
        full = gen.simulate(f, given, store)
        assert gen.assess(f, given, full.choices, store)[0] == full.score


def test_G14_a_stale_trace_is_never_used_unnoticed() -> None:
    store = pg.stores.open("memory:")
    trace, _ = gen.generate(line, (1.0,), {"y": 2.5, ("noise", "e"): 0.5}, store)
    assert trace.score.versions[line, "slope"] == (store, 1)
    store.set_parameter_value((line, "slope"), 1.0)
    with pytest.raises(StaleTrace, match="'slope' of line at version 1, which is at 3 now"):
        gen.accumulate_param_gradients(trace)
    assert store.get_gradient((line, "slope")) == store.get_gradient((noise, "std")) == 0.0
    told: list[Any] = []
    off = pg.on("warning", told.append)
    gen.accumulate_param_gradients(trace, stale="keep")
    off()
    assert "stale gradient was kept" in told[0]["text"]
    assert store.get_gradient((line, "slope")) == pytest.approx((2.5 - 2.0) / 0.25)
    store.reset_gradient((line, "slope"))
    gen.accumulate_param_gradients(trace, stale="reevaluate")
    assert store.get_gradient((line, "slope")) == pytest.approx((2.5 - 1.0) / 0.25)
