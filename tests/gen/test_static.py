"""Static functions: recorded once, replayed; the same numbers as running the body."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import paragrad as pg
from paragrad import gen
from paragrad.errors import StaleTrace, UsageError


def chain(x: float) -> float:
    u = gen.sample(gen.normal(gen.param("mu", 0.3) * x - 1, gen.exp(gen.param("log_std", -0.2))), "u")
    flag = gen.sample(gen.bernoulli(gen.sigmoid(u / 2.0 + x**2)), "flag")
    v = gen.sample(gen.gamma(1.0 + gen.softplus(u), abs(x) + 0.5), ("v", 1))
    return 2.0**v - flag * gen.tanh(u) + gen.param("bias", 1.0)


def rows(xs: list[float], scale: float) -> dict[str, Any]:
    slope = gen.param("slope", 0.5)
    ys = [
        gen.sample(gen.normal(slope * x + gen.cos(slope) * gen.sin(x), np.sqrt(scale) / (1.0 + slope * slope)), ("y", i))
        for i, x in enumerate(xs)
    ]
    return {"sum": sum(ys), "pair": (ys[0], -ys[1]), "name": "rows"}


def counted(n: int, loud: bool) -> float:
    total = 0.0
    for i in range(n):
        total = total + gen.sample(gen.normal(gen.param(f"m{i}", 0.1) ** 2, 3.0 if loud else 1.0), i)
    return total + gen.log(gen.log1p(gen.exp(total)) + gen.param("unused", 0.5))


def fixed() -> None:
    gen.sample(gen.normal(0.0, 1.0), "a")
    gen.sample(gen.poisson(3.0), "b")


def counts(rate: float) -> float:
    n = gen.sample(gen.poisson(rate), "n")
    return gen.sample(gen.binomial(n, gen.sigmoid(gen.param("logit", 0.3))), "k") * 1.0


BODIES: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "chain": (chain, (0.7,)),
    "counts": (counts, (6.0,)),
    "counted": (counted, (4, True)),
    "fixed": (fixed, ()),
    "rows": (rows, ([0.1, 0.4, -0.3], 0.8)),
}


def both(name: str) -> tuple[Any, Any, tuple[Any, ...]]:
    body, args = BODIES[name]
    return gen.generative(grad=True)(body), gen.generative(grad=True, static=True)(body), args


@pytest.mark.parametrize("name", BODIES)
def test_a_replay_gives_what_the_body_gives(name: str) -> None:
    plain, static, args = both(name)
    stores = pg.stores.open("memory:"), pg.stores.open("memory:")
    for seed in range(3):
        one, two = (gen.simulate(f, args, store, rng=seed) for f, store in zip((plain, static), stores, strict=True))
        assert two.kept is not None
        assert (dict(one.choices), one.score, one.retval) == (dict(two.choices), two.score, two.retval)
        assert gen.assess(static, args, one.choices, stores[1]) == (one.score, one.retval)
        assert gen.generate(static, args, one.choices, stores[1], strict=True)[1] == one.score
        gradients = []
        for trace, store in zip((one, two), stores, strict=True):
            found = gen.accumulate_param_gradients(trace, scale=0.5)
            gradients.append((found, {id[1]: store.get_gradient(id) for id in trace.versions}))
            for id in trace.versions:
                store.set_parameter_value(id, 0.1 * seed + 0.2)
        (args_one, params_one), (args_two, params_two) = gradients
        assert params_two == pytest.approx(params_one)
        assert [np.asarray(a, dtype=float) for a in args_two if a is not None] == [
            pytest.approx(np.asarray(a, dtype=float)) for a in args_one if a is not None
        ]


@pytest.mark.parametrize("name", BODIES)
def test_every_other_verb_runs_the_body(name: str) -> None:
    _, static, args = both(name)
    store = pg.stores.open("memory:")
    trace = gen.simulate(static, args, store, rng=1)
    first = next(iter(trace.choices))
    part, weight = gen.generate(static, args, {first: trace[first]}, store, strict=True, rng=2)
    assert weight == pytest.approx(gen.project(part, gen.select(first)))
    made, weight, _, _discard = gen.update(trace, None, {first: part[first]})
    assert weight == pytest.approx(made.score - trace.score)
    again, _, _ = gen.regenerate(trace, gen.select(first), rng=3)
    assert [again[a] for a in again.choices if a != first] == [trace[a] for a in trace.choices if a != first]
    assert gen.choice_gradients(trace)[2].keys() == gen.choice_gradients(made)[2].keys()
    with pytest.raises(UsageError, match="no choice at 'nowhere'"):
        gen.generate(static, args, {**trace.choices, "nowhere": 1.0}, store, strict=True)


def test_one_program_per_structure_of_the_arguments() -> None:
    static = gen.generative(static=True)(counted)
    runs: list[Any] = [gen.simulate(static, args, rng=0) for args in ((2, False), (2, True), (3, False), (2, False))]
    assert [len(trace.choices) for trace in runs] == [2, 2, 3, 2]
    assert runs[0].score == runs[3].score != runs[1].score
    one, true = gen.simulate(static, (1, 1), rng=0), gen.simulate(static, (1, True), rng=0)
    assert one.kept[0] is not true.kept[0]


def test_it_reads_the_parameters_of_each_context() -> None:
    @gen.generative(static=True, grad=True)
    def f(x: float) -> float:
        return gen.sample(gen.normal(x + gen.param("m", 1.0), 1.0), "z")

    one, two = pg.stores.open("memory:"), pg.stores.open("memory:")
    first = gen.simulate(f, (0.0,), one)
    assert gen.simulate(f, (0.0,), two).versions == {(f, "m"): (two, 1)}
    two.set_parameter_value((f, "m"), -4.0)
    for store, value in ((one, 1.0), (two, -4.0)):
        trace, weight = gen.generate(f, (0.0,), {"z": 0.0}, store)
        assert weight == pytest.approx(-0.5 * value**2 - 0.9189385332046727)
        gen.accumulate_param_gradients(trace)
        assert store.get_gradient((f, "m")) == -value
    one.set_parameter_value((f, "m"), 2.0)
    with pytest.raises(StaleTrace):
        gen.accumulate_param_gradients(first)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: gen.accumulate_param_gradients(gen.generate(f, (0.0,), {"z": 1.0}, one)[0]), range(100)))
    assert one.get_gradient((f, "m")) == pytest.approx(-1.0 - 100.0)


def test_calls_batches_and_arrays_go_through_the_body() -> None:
    @gen.generative(static=True, grad=True)
    def f(x: Any) -> Any:
        return gen.sample(gen.normal(gen.param("m", 1.0) * x, 1.0), "z")

    @gen.generative(grad=True)
    def around() -> Any:
        return sum(gen.sample(gen.map_(f)([1.0, 2.0]), "many"))

    store = pg.stores.open("memory:")
    trace, _ = gen.generate(around, (), {("many", 0, "z"): 0.0, ("many", 1, "z"): 0.0}, store)
    gen.accumulate_param_gradients(trace)
    assert store.get_gradient((f, "m")) == -5.0
    assert gen.simulate(f, (1.0,), store, batch=5)["z"].shape == (5,)

    @gen.generative(static=True, grad=True)
    def dot(x: Any) -> Any:
        return gen.sample(gen.normal(gen.param("w", [1.0, 2.0]) @ x, 1.0), "z")

    trace, _ = gen.generate(dot, (np.array([1.0, 1.0]),), {"z": 4.0}, store)
    gen.accumulate_param_gradients(trace)
    assert store.get_gradient((dot, "w")).tolist() == [1.0, 1.0]


REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "a branch on a choice": (lambda x: 1.0 if gen.sample(gen.bernoulli(0.5), "a") else 2.0, "looks at a value"),
    "a comparison": (lambda x: x > 0.5, "looks at a value"),
    "a loop over a number": (lambda x: list(range(int(x))), "looks at a value"),
    "a branch on what a call returned": (lambda x: 1.0 if gen.sample(gen.generative(lambda: 1.0)(), "a") else 2.0, "looks at a value"),
    "a function without a rule": (lambda x: np.arctan(x), r"calls numpy\.arctan"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_body_that_is_not_static_is_told(name: str) -> None:
    body, message = REFUSED[name]
    with pytest.raises(UsageError, match=rf"{message}.*without static=True"):
        gen.simulate(gen.generative(static=True)(body), (3.0,))


def guessed(shift: float) -> None:
    u = gen.sample(gen.normal(gen.param("mean", 0.3) + shift, gen.exp(gen.param("log_std", -0.5))), "u")
    gen.sample(gen.normal(gen.tanh(u) * 0.5, 1.0 + gen.exp(u * 0.1)), "v")


def coins(shift: float) -> None:
    up = gen.sample(gen.bernoulli(gen.sigmoid(gen.param("logit", 0.2) + shift)), "up")
    gen.sample(gen.normal((up + up) * gen.param("gap", 0.5), 1.0), "v")


def pair() -> None:
    u = gen.sample(gen.normal(0.5, 1.5), "u")
    gen.sample(gen.normal(u * gen.param("slope", 0.4), 1.0), "v")
    gen.sample(gen.normal(u, 1.0), "seen")


def fixed_pair() -> None:
    """Parameters meet no choice, so derivatives stay numbers also where all samples run at once."""
    u = gen.sample(gen.normal(gen.param("prior", 0.5), 1.5), "u")
    gen.sample(gen.cauchy(gen.tanh(u) + np.sin(u), 1.0 + abs(u)), "v")


def tossed() -> None:
    up = gen.sample(gen.bernoulli(0.7), "up")
    gen.sample(gen.normal((up + up) * gen.param("slope", 0.4), 1.0), "v")


def apart(shift: float) -> None:
    gen.sample(gen.normal(gen.param("mean", 0.3) * shift, gen.exp(gen.param("log_std", -0.5) * gen.sigmoid(gen.param("mean", 0.3)))), "u")
    gen.sample(gen.laplace(gen.param("loc", 0.1), gen.exp(gen.param("log_std", -0.5))), "v")


@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize(
    ("guide", "model", "given"),
    [(guessed, pair, {"seen": 0.8}), (coins, tossed, {}), (apart, pair, {"seen": 0.8}), (apart, fixed_pair, {})],
)
def test_variational_inference_is_the_same_for_static_functions(guide: Any, model: Any, given: dict[str, Any], batched: bool) -> None:
    found = []
    for static in (True, False):
        q, p = (gen.generative(static=static)(f) for f in (guide, model))
        store = pg.stores.open("memory:")
        context = {"default": store}
        gen.simulate(q, (0.1,), context)
        gen.simulate(p, (), context)
        optimizers = [gen.init_optimizer(pg.rules.FixedStepGradientDescent(1e-3), f, context) for f in (q, p)]
        fitted = gen.black_box_vi(
            p,
            (),
            given,
            q,
            (0.1,),
            optimizers[0],
            model_optimizer=optimizers[1],
            iters=8,
            samples_per_iter=20,
            batched=batched,
            context=context,
            seed=3,
        )
        found.append([*fitted.history, *(store.get_parameter_value(id) for id in store.ids())])
    assert found[0] == pytest.approx(found[1], rel=1e-12)
    assert len(set(found[0][:8])) == 8
