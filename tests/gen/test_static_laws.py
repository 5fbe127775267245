"""Static functions that call others: on random programs every verb gives the bits that the same bodies give without static=True."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

import paragrad as pg
from paragrad import gen

SEEDS = range(16)
GIVEN = {"u": 0.3, "side": -0.4, ("many", 1, "z"): 0.2}


def expression(rng: random.Random, values: list[Any], depth: int = 2) -> Any:
    """A function of a list of numbers, as a function of their places: the same for floats, tracked numbers and symbols."""
    if depth == 0 or rng.random() < 0.2:
        place = rng.randrange(len(values))
        return lambda v: v[place % len(v)]
    kind, inner = rng.choice(["tanh", "sigmoid", "add", "mul", "sub", "div", "sin"]), [expression(rng, values, depth - 1) for _ in range(2)]
    factor = round(rng.uniform(-1, 1), 2)
    return {
        "tanh": lambda v: gen.tanh(inner[0](v)),
        "sigmoid": lambda v: gen.sigmoid(inner[0](v) * factor),
        "sin": lambda v: gen.sin(inner[0](v)) + factor,
        "add": lambda v: inner[0](v) + inner[1](v),
        "sub": lambda v: factor - inner[0](v) * 0.5,
        "mul": lambda v: inner[0](v) * inner[1](v) * 0.3,
        "div": lambda v: inner[0](v) / (2.0 + gen.softplus(inner[1](v))),
    }[kind]


def random_parts(made: Any, expressions: list[Any]) -> tuple[Any, ...]:
    """Callees: static or not as ``made`` says, and two that never are."""
    one, two = expressions

    @made
    def leaf(x: float, y: float) -> Any:
        z = gen.sample(gen.normal(one([x, y, gen.param("shift", 0.3)]), gen.exp(gen.param("log_std", -0.2))), "z")
        return two([z, x, y]) + gen.param("shift", 0.3) * y

    @made
    def other(x: float, y: float) -> Any:
        return gen.sample(gen.gamma(1.0 + gen.softplus(x), 0.7), "z") * gen.param("slope", 0.4) + y

    @made
    def step(t: int, state: float, drift: float) -> float:
        return gen.sample(gen.normal(state * 0.5 + drift * gen.param("pull", 0.8), 1.0 + 0.1 * t), "s")

    @made
    def pair(x: float) -> Any:
        first = gen.sample(leaf(x, 0.5), "first")
        second = gen.sample(leaf(first, x), ("second", 1))
        return {"sum": first + second, "both": (first, gen.sample(other(second, first)) * gen.param("gain", 1.5))}

    @gen.generative(grad=True)
    def branching(x: float, up: Any) -> Any:
        if gen.sample(gen.bernoulli(gen.sigmoid(x)), "b"):
            return gen.sample(gen.normal(x * gen.param("deep", 0.6), 1.0), "v"), 1
        return gen.sample(leaf(x, 0.1), "leaf"), 0 if up else 2.5

    @gen.generative(grad=True)
    def ragged(x: float) -> Any:
        return [x * 0.5] * (1 + gen.sample(gen.bernoulli(0.5), "more"))

    return leaf, other, step, pair, branching, ragged


def random_model(seed: int, static: bool) -> tuple[Any, tuple[Any, ...]]:
    """Leaves, combinators, calls of calls, splices and functions that are not static, drawn from a seed."""
    rng = random.Random(seed)
    made = gen.generative(static=static, grad=True)
    parts = random_parts(made, [expression(rng, [0] * 3) for _ in range(2)])
    leaf, other, step, pair, branching, ragged = parts
    three, four, five, six = (expression(rng, [0] * 3) for _ in range(4))
    order = rng.sample(range(7), 5)
    index = rng.randrange(2)
    many, chain, either = gen.map_(leaf), gen.unfold(step), gen.switch(leaf, other)

    @made
    def model(a: float, xs: Any) -> Any:
        slope = gen.param("slope", 0.7)
        u = gen.sample(gen.normal(three([a, slope, xs[0]]), 0.8), "u")
        flag = gen.sample(gen.bernoulli(gen.sigmoid(u)), "flag")
        k = gen.sample(gen.categorical([gen.sigmoid(slope), 1.0 - gen.sigmoid(slope)]), "k")
        v, parts = [a, u, slope], []

        def called() -> list[Any]:
            found = gen.sample(pair(four(v)), "pair")
            return [found["sum"], found["both"][1]]

        calls = [
            lambda: [sum(gen.sample(many(xs, [u, a]), "many"))],
            lambda: [gen.sample(chain(3, v[-1], a), "chain")[-1]],
            called,
            lambda: gen.sample(branching(five(v), flag), "branching"),
            lambda: [gen.sample(either(index, v[-1], u), "either"), gen.sample(either(k, v[-1], u), "chosen")],
            lambda: [gen.sample(leaf(six(v), u))],
            lambda: parts.extend(gen.sample(ragged(v[-1]), "ragged")) or [],
        ]
        for number in order:
            v += calls[number]()
        gen.sample(gen.normal(v[-1] * gen.param("slope", 0.7) + v[-2], 2.0), "end")
        return {"total": sum(v[3:]) + flag, "parts": parts, "u": (u, xs)}

    return model, (rng.uniform(-1, 1), [rng.uniform(-1, 1), rng.uniform(-1, 1)])


class Twin:
    """The same model with and without static=True, each over a store of its own, and the bits that both give."""

    def __init__(self, seed: int) -> None:
        self.models = [random_model(seed, static) for static in (False, True)]
        self.args = self.models[0][1]
        self.stores = [pg.stores.open("memory:") for _ in self.models]

    def traces(self, seed: int) -> list[gen.Trace]:
        found = [gen.simulate(f, args, store, rng=seed) for (f, args), store in zip(self.models, self.stores, strict=True)]
        same(*map(whole, found))
        return found

    def gradients(self, traces: list[gen.Trace], **options: Any) -> None:
        found = []
        for trace, store in zip(traces, self.stores, strict=True):
            for id in store.ids():
                store.reset_gradient(id)
            args = gen.accumulate_param_gradients(trace, **options)
            found.append((zeroed(args), {id: store.get_gradient(id) for id in store.ids()}))
        assert found[0] == found[1]


def zeroed(found: Any) -> Any:
    """Argument gradients with 0 where nothing was reached: calls that are not recorded may leave it open."""
    if isinstance(found, list | tuple):
        return [zeroed(part) for part in found] if any(found) else 0.0
    return found or 0.0


def whole(trace: gen.Trace) -> Any:
    """Everything a trace says, callees' included."""
    calls = {address: whole(call) for address, call in trace.calls.items()}
    own = dict(trace._values), dict(trace._logps), [(f.__name__, name, read.value) for (f, name), read in trace._reads.items()]
    return repr(trace.gen_fn), trace.args, trace.retval, trace._score, own, calls


def same(one: Any, two: Any) -> None:
    assert one == two
    assert repr(one) == repr(two)  # the types too: True is not 1


@pytest.mark.parametrize("seed", SEEDS)
def test_traces_of_static_programs_have_the_same_bits(seed: int) -> None:
    twin = Twin(seed)
    replayed = 0
    for run in range(4):
        one, two = twin.traces(run)
        replayed += two.kept is not None
        for verb in (gen.generate, gen.assess):
            same(*[tidy(verb(t.gen_fn, t.args, one.choices, t.context)) for t in (one, two)])
        for given in ({}, GIVEN, one.choices.selected(~gen.select("branching", "many"))):
            same(*[tidy(gen.generate(t.gen_fn, t.args, given, t.context, rng=run)) for t in (one, two)])
        same(*[tidy(gen.propose(t.gen_fn, t.args, t.context, rng=run)) for t in (one, two)])
        selection = gen.select("u", ("chain", 1), "pair", "branching")
        same(*[tidy(gen.regenerate(t, selection, rng=run)) for t in (one, two)])
        moved = (twin.args[0] + 0.1, twin.args[1])
        same(*[tidy(gen.update(t, moved, {"u": 0.25, "k": 1 - t["k"]}, rng=run)) for t in (one, two)])
        same(*[gen.project(t, selection) for t in (one, two)])
    assert replayed == (4 if not needs_body(twin) else replayed)


@pytest.mark.parametrize("seed", SEEDS)
def test_gradients_of_static_programs_have_the_same_bits(seed: int) -> None:
    twin = Twin(seed)
    for run in range(3):
        traces = twin.traces(run)
        retgrad = {"total": 0.7, "u": (0.1, None)}
        twin.gradients(traces)
        twin.gradients(traces, scale=-0.3)
        twin.gradients(traces, retgrad=retgrad)
        one, two = (zeroed(gen.param_gradients(t, scale=0.3).args) for t in traces)
        assert one == two
        same(*[tidy(gen.choice_gradients(t, gen.select("u", "pair"), retgrad)) for t in traces])
        same(*[[gen.choice_gradients(call) for call in t.calls.values() if call.gen_fn.__name__ == "pair"] for t in traces])
        for store in twin.stores:
            for id in store.ids():
                store.set_parameter_value(id, store.get_parameter_value(id) * 0.9 + 0.05)


@pytest.mark.parametrize("seed", range(4))
def test_batches_of_static_programs_have_the_same_bits(seed: int) -> None:
    found = []
    for static in (False, True):
        rng = random.Random(seed)
        leaf, _, step, pair, *_ = random_parts(gen.generative(static=static, grad=True), [expression(rng, [0] * 3) for _ in range(2)])
        for f, args in ((pair, (0.4,)), (gen.map_(leaf), ([0.1, 0.2], [0.3, -0.4])), (gen.unfold(step), (3, 0.5, 0.2))):
            store = pg.stores.open("memory:")
            trace = gen.simulate(f, args, store, rng=seed, batch=4)
            grads = gen.param_gradients(trace, scale=np.linspace(-1.0, 1.0, 4)).params
            found.append(repr([dict(trace.choices), trace.score, trace.retval, [(name, grad) for (_, name), grad in grads.items()]]))
    assert found[:3] == found[3:]


def test_combinators_and_calls_are_one_program() -> None:
    """No body runs after the first run: counted, for every verb that a program answers."""
    ran = []

    @gen.generative(static=True, grad=True)
    def leaf(x: float) -> float:
        ran.append(x)
        return gen.sample(gen.normal(x, gen.exp(gen.param("log_std", 0.1))), "z") * 0.5

    @gen.generative(static=True, grad=True)
    def model(xs: list[float]) -> float:
        ran.append(xs)
        return sum(gen.sample(gen.map_(leaf)(xs), "many")) + gen.sample(gen.switch(leaf, leaf)(1, xs[0]), "one") + gen.sample(leaf(xs[1]))

    for f, args in ((model, ([0.1, 0.2],)), (gen.map_(leaf), ([0.1, 0.2],)), (gen.unfold(gen.generative(static=True)(after)), (3, 0.1))):
        store = pg.stores.open("memory:")
        trace = gen.simulate(f, args, store, rng=1)
        ran.clear()
        again = gen.simulate(f, args, store, rng=1)
        assert gen.assess(f, args, again.choices, store)[0] == gen.generate(f, args, again.choices, store)[1] == trace.score
        gen.accumulate_param_gradients(again, None if f is not model else 2.0)
        assert again.kept is not None
        assert not ran


def after(t: int, state: float) -> float:
    return gen.sample(gen.normal(state + t, 1.0), "s")


def test_what_only_the_body_knows_still_runs_there() -> None:
    """A pg.Parameter, a splice of a function that is not static, and a call that returns another structure every time."""
    shared = pg.Parameter(0.5, name="shared")
    calls = []

    @gen.generative(grad=True)
    def ragged(x: float) -> list[float]:
        calls.append(x)
        return [x] * (1 + len(calls) % 3)

    def body(x: float) -> Any:
        y = gen.sample(gen.normal(gen.param(shared) * x, 1.0), "y")
        return y * 2.0

    def splicing(x: float) -> Any:
        return [*gen.sample(ragged(x)), gen.sample(gen.normal(x, 1.0), "y")]

    def calling(x: float) -> Any:
        first = gen.sample(gen.normal(x, 1.0), "first")
        return [*gen.sample(ragged(x), "ragged"), first, gen.sample(gen.normal(x, 1.0), "last")]

    for f in (body, splicing, calling):
        kept = []
        for static in (False, True):
            calls.clear()
            made, store = gen.generative(static=static, grad=True)(f), pg.stores.open("memory:")
            traces = [gen.simulate(made, (0.3,), store, rng=seed) for seed in range(6)]
            kept.append([(dict(t.choices), t.score, len(t.retval) if f is not body else t.retval) for t in traces])
            assert gen.param_gradients(traces[-1]).args[0] is not None
        if f is body:
            assert kept[0] == kept[1]
        else:
            assert [(choices, score) for choices, score, _ in kept[0]] == [(choices, score) for choices, score, _ in kept[1]]
            assert {size for _, _, size in kept[1]} == {size for _, _, size in kept[0]}


def test_none_is_a_structure() -> None:
    @gen.generative
    def maybe(x: float) -> float | None:
        return x if gen.sample(gen.bernoulli(0.5), "there") else None

    def body(x: float) -> Any:
        found = gen.sample(maybe(x), "maybe")
        y = gen.sample(gen.normal(x, 1.0), "y")
        return y if found is None else y + found

    kept = []
    for static in (False, True):
        f, store = gen.generative(static=static)(body), pg.stores.open("memory:")
        kept.append([whole(gen.simulate(f, (0.3,), store, rng=seed)) for seed in range(8)])
    assert kept[0] == kept[1]
    assert len({trace[4][0]["y"] == trace[2] for trace in kept[1]}) == 2


def tidy(found: Any) -> Any:
    return [whole(part) if isinstance(part, gen.Trace) else dict(part) if isinstance(part, gen.Choices) else part for part in found]


def needs_body(twin: Twin) -> bool:
    """Whether a trace could not be replayed: a list of another length came back from ``ragged``."""
    return any("ragged" in trace.calls for trace in twin.traces(0))
