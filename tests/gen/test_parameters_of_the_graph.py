"""``gen.param(p)`` with a ``pg.Parameter``: its derivative goes to what was read, by every way a trace can be made."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import numpy as np
import pytest

import paragrad as pg
from paragrad import gen
from paragrad.context import Coordinate, Scope, scope
from paragrad.errors import StaleTrace, UsageError
from paragrad.trace.overlay import Overlay, pinned


@pytest.fixture
def context() -> dict[Any, Any]:
    return {"default": pg.stores.open("memory:")}


def grads(*parameters: Any) -> list[Any]:
    """What each has collected; None for nothing."""
    return [p.grad[0].value if p.grad else None for p in parameters]


def differences(f: Any, parameter: Any, args: tuple[Any, ...], choices: Any, context: Any) -> Any:
    """d log p / d parameter by central differences."""
    start = np.array(parameter.value, dtype=float)
    found = np.zeros(start.shape)
    for place in np.ndindex(start.shape):
        weights = []
        for step in (1e-6, -1e-6):
            moved = start.copy()
            moved[place] += step
            with pg.overlay({parameter: moved if moved.ndim else float(moved)}):
                weights.append(gen.assess(f, args, choices, context)[0])
        found[place] = (weights[0] - weights[1]) / 2e-6
    return found if found.ndim else float(found)


def test_numbers_arrays_and_stores_of_one_body_agree_with_differences(context: dict[Any, Any]) -> None:
    t, w = pg.Parameter(0.5, name="t"), pg.Parameter(np.array([0.3, -0.7]), name="w")

    @gen.generative
    def inner(x: Any) -> Any:
        return gen.sample(gen.normal(gen.param(t) * x, gen.exp(gen.param(w)[1])), "z")

    @gen.generative
    def f(xs: Any) -> None:
        z = gen.sample(inner(xs[0]), "called")
        gen.sample(inner(gen.param(t)))
        several = gen.sample(gen.map_(inner)(xs), "mapped")
        gen.sample(gen.normal(gen.param("own", 2.0) * z + gen.param(w)[0] * several[1], 1.0), "y")

    args = ([0.4, -1.1],)
    trace = gen.simulate(f, args, context, rng=0)
    gen.accumulate_param_gradients(trace, scale=3.0)
    for p in (t, w):
        assert np.allclose(p.grad[0].value, 3.0 * differences(f, p, args, trace.choices, context), rtol=1e-6)
    assert context["default"].get_gradient((f, "own")) != 0.0
    assert trace.versions[t] == (None, 1)
    assert trace.reads[t].value == 0.5
    assert trace.reads[t].leaf.cell is t._n.cell  # type: ignore[attr-defined,union-attr]
    assert inner.parameter_ids(context) == {}  # it is no parameter of the function


def test_update_and_regenerate_read_anew_and_keep_what_did_not_change(context: dict[Any, Any]) -> None:
    t = pg.Parameter(1.0, name="t")
    runs = []

    @gen.generative
    def inner() -> Any:
        runs.append(1)
        return gen.sample(gen.normal(gen.param(t), 1.0), "z")

    @gen.generative
    def f() -> None:
        gen.sample(inner(), "a")
        gen.sample(gen.normal(0.0, 1.0), "b")

    trace, _ = gen.generate(f, (), {("a", "z"): 0.5, "b": 0.0}, context)
    made, weight, _, _ = gen.update(trace, constraints={"b": 1.0})
    assert len(runs) == 1  # the callee read what it had read
    t.data = 2.0
    later, weight, _, _ = gen.update(made)
    assert len(runs) == 2
    assert weight == pytest.approx(-0.5 * 1.5**2 + 0.5 * 0.5**2)
    assert (made.versions[t][1], later.versions[t][1]) == (1, 2)
    again, _, _ = gen.regenerate(later, gen.select("b"))
    gen.accumulate_param_gradients(again)
    assert grads(t) == [0.5 - 2.0]


def test_batches_collect_the_sum_and_take_a_factor_per_sample() -> None:
    t = pg.Parameter(0.5, name="t")

    @gen.generative
    def f() -> Any:
        return gen.sample(gen.normal(gen.param(t), 1.0), "y")

    trace = gen.simulate(f, batch=50, rng=0)
    factors = np.linspace(-1.0, 1.0, 50)
    gen.accumulate_param_gradients(trace, scale=factors)
    assert grads(t) == pytest.approx([float(((trace["y"] - 0.5) * factors).sum())])


def test_a_candidate_keeps_its_own_gradient_whatever_context_asks_for_it() -> None:
    t = pg.Parameter(1.0, name="t")

    @gen.generative
    def f() -> None:
        gen.sample(gen.normal(gen.param(t), 1.0), "y")

    with pg.overlay({t: 3.0}) as candidate:
        trace, _ = gen.generate(f, (), {"y": 4.0})
    gen.accumulate_param_gradients(trace)
    outside = grads(t)
    with pg.overlay({t: 9.0}):
        changed = gen.update(trace, constraints={"y": 5.0})[0]
    gen.accumulate_param_gradients(changed)
    assert outside == grads(t) == [None]
    assert candidate.versions[t._cell].acc.total() == (4.0 - 3.0) + (5.0 - 3.0)  # type: ignore[attr-defined]
    with pg.teacher():
        taught, _ = gen.generate(f, (), {"y": 4.0})
    gen.accumulate_param_gradients(taught)
    assert grads(t) == [None]  # a teacher is not trained


@pytest.mark.parametrize("bound", [False, True])
def test_a_parameter_that_moved_on_is_stale_in_the_three_ways(bound: bool) -> None:
    store = pg.stores.open("memory:") if bound else None
    t = pg.Parameter(1.0, name="moving", store=store)

    @gen.generative
    def f() -> None:
        gen.sample(gen.normal(gen.param(t), 1.0), "y")

    trace, _ = gen.generate(f, (), {"y": 4.0}, pg.stores.open("memory:"))
    assert trace.versions[t][0] is store
    if store is not None:  # as another process would
        store.set_parameter_value("moving", 2.0)
    else:
        t.data = 2.0
    with pytest.raises(StaleTrace, match="the Parameter 'moving' at version 1, which is at 2 now"):
        gen.accumulate_param_gradients(trace)
    assert grads(t) == [None]
    gen.accumulate_param_gradients(trace, stale="keep")
    assert grads(t) == [3.0]
    gen.accumulate_param_gradients(trace, stale="reevaluate")
    assert grads(t) == [3.0 + 2.0]


def test_a_context_of_stores_serves_it() -> None:
    t, store = pg.Parameter(1.0, name="t"), pg.stores.open("memory:")

    @gen.generative
    def f() -> None:
        gen.sample(gen.normal(gen.param(t) + gen.param("w", 0.0), 1.0), "y")

    with pg.parameter_context(store):
        trace, _ = gen.generate(f, (), {"y": 4.0})
        assert trace.versions[t] == (store, store.get_entry("t").version)
        gen.accumulate_param_gradients(trace)
        assert grads(t) == [3.0]
    store.set_parameter_value("t", 2.0)
    with pytest.raises(StaleTrace, match="'t'"):
        gen.accumulate_param_gradients(trace)
    assert grads(t) == [None]
    later = gen.update(trace)[0]
    assert later.reads[t].value == 2.0  # where the trace was made, not where it is updated


def test_all_derivatives_are_delivered_or_none() -> None:
    t, broken, fine = pg.Parameter(1.0, name="t"), pg.stores.open("memory:"), pg.stores.open("memory:")

    @gen.generative
    def other() -> None:
        gen.sample(gen.normal(gen.param("mean", 0.0), 1.0), "x")

    @gen.generative
    def f() -> None:
        gen.sample(gen.normal(gen.param("mean", 0.0) + gen.param(t), 1.0), "y")
        gen.sample(other(), "z")

    trace = gen.simulate(f, (), {f: fine, other: broken})
    push, broken.increment_gradient = broken.increment_gradient, lambda *_, **__: 1 / 0
    with pytest.raises(ZeroDivisionError):
        gen.accumulate_param_gradients(trace)
    assert grads(t) == [None]
    assert fine.get_gradient((f, "mean")) == 0.0
    broken.increment_gradient = push
    with pytest.raises(ValueError, match="nan or infinite"):
        gen.accumulate_param_gradients(trace, scale=math.inf)
    assert grads(t) == [None]
    gen.accumulate_param_gradients(trace)
    assert grads(t) == [fine.get_gradient((f, "mean"))]


def test_one_run_never_mixes_two_publications() -> None:
    """Two Parameters that are always written together are always read together."""
    a, b = pg.Parameter(0.0, name="a"), pg.Parameter(0.0, name="b")
    met = Barrier(2)
    seen: list[tuple[float, float]] = []
    slow = [False]

    @gen.generative
    def f() -> None:
        first = gen.param(a)
        if slow[0]:
            met.wait()
            met.wait()  # meanwhile both are written
        seen.append((first, gen.param(b)))

    gen.simulate(f)  # it is known now what the function reads
    slow[0] = True
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(gen.simulate, f)
        met.wait()
        with pg.transaction():
            a.data, b.data = 1.0, 1.0
        met.wait()
        run.result()
    assert seen == [(0.0, 0.0), (0.0, 0.0)]


def test_parameters_of_a_store_are_read_as_of_the_functions_commit() -> None:
    store = pg.stores.open("memory:")
    p = pg.Parameter(1.0, name="p", store=store)
    seen: list[tuple[float, float]] = []
    step = [0.0]

    @gen.generative
    def f(first: str) -> None:
        for which in (first, "p" if first == "w" else "w"):
            found = {which: gen.param(p) if which == "p" else gen.param("w", 1.0)}
            if which == first:
                held = found[which]
                step[0] += 1.0
                store.publish({"p": step[0], (f, "w"): step[0]})
        seen.append((held, found[which]))

    gen.init_parameter((f, "w"), 1.0, store)
    for first in ("w", "p"):
        gen.simulate(f, (first,), {"default": store})
    assert seen == [(1.0, 1.0), (1.0, 1.0)]


def test_pinned_runs_and_items(context: dict[Any, Any]) -> None:
    t = pg.Parameter(1.0, name="t")

    @gen.generative
    def f() -> None:
        gen.sample(gen.normal(gen.param(t), 1.0), "y")

    with pinned([t]) as overlay, scope(Scope(Coordinate(item=7), seed=1)):
        assert isinstance(overlay, Overlay)
        t.data = 5.0  # stays in the overlay
        trace, _ = gen.generate(f, (), {"y": 4.0}, context)
        gen.accumulate_param_gradients(trace)
        assert grads(t) == [-1.0]
    assert (t.value, grads(t)) == (1.0, [None])


def test_a_program_s_optimizer_steps_it(context: dict[Any, Any]) -> None:
    """Flat buffers of an optimizer read and collect alike; the derivative ascends, so SGD maximizes."""
    t, w = pg.Parameter(0.0, name="t"), pg.Parameter(np.zeros(2), name="w")
    optimizer = pg.optimizers.SGD([t, w], lr=0.25, maximize=True)

    @gen.generative
    def f() -> None:
        weights = gen.param(w)
        for place, mean in enumerate((gen.param(t), weights[0], weights[1])):
            gen.sample(gen.normal(mean, 1.0), place)

    for _ in range(60):
        optimizer.zero_grad()
        trace, _ = gen.generate(f, (), {0: 1.0, 1: 2.0, 2: -3.0}, context)
        gen.accumulate_param_gradients(trace)
        optimizer.step()
    assert t.value == pytest.approx(1.0, abs=1e-6)
    assert np.allclose(w.value, [2.0, -3.0], atol=1e-6)
    with pytest.raises(StaleTrace):
        gen.accumulate_param_gradients(trace)


@pytest.mark.parametrize("batched", [True, False])
def test_variational_fits_train_it(batched: bool, context: dict[Any, Any]) -> None:
    mean = pg.Parameter(0.0, name="mean")
    optimizer = pg.optimizers.SGD([mean], lr=0.05, maximize=True)

    @gen.generative
    def guide() -> None:
        gen.sample(gen.normal(gen.param(mean), 1.0), "z")

    @gen.generative
    def model() -> None:
        gen.sample(gen.normal(gen.sample(gen.normal(3.0, 1.0), "z"), 1.0), "y")

    gen.black_box_vi(model, (), {"y": 3.0}, guide, (), optimizer, iters=60, samples_per_iter=30, batched=batched, context=context)
    assert mean.value == pytest.approx(3.0, abs=0.3)


def test_a_rule_of_stores_steps_one_that_is_bound_to_a_store_beside_the_function_s_own() -> None:
    store = pg.stores.open("memory:")
    p = pg.Parameter(0.0, name="p", store=store)

    @gen.generative
    def f() -> None:
        gen.sample(gen.normal(gen.param(p) + gen.param("w", 0.0), 1.0), "y")

    gen.simulate(f, (), store)
    optimizer = gen.init_optimizer(pg.optimizers.FixedStepGradientDescent(0.1), [p, (f, "w")], store)
    gen.accumulate_param_gradients(gen.generate(f, (), {"y": 1.0}, store)[0])
    assert (grads(p), store.get_gradient((f, "w"))) == ([1.0], 1.0)
    gen.apply_update(optimizer)
    assert (p.value, store.get_parameter_value((f, "w")), grads(p)) == (0.1, 0.1, [None])


def test_whatever_else_a_parameter_holds_is_read(context: dict[Any, Any]) -> None:
    prompt, count = pg.Parameter("Say it.", name="prompt"), pg.Parameter(3, name="count")
    frozen = pg.Parameter(0.5, requires_grad=False, name="frozen")

    @gen.generative
    def f() -> Any:
        gen.sample(gen.normal(gen.param(frozen) * gen.param(count), 1.0), "y")
        return gen.param(prompt)

    trace, _ = gen.generate(f, (), {"y": 1.0}, context)
    assert trace.retval == "Say it."
    assert {trace.versions[p][1] for p in (prompt, count, frozen)} == {1}
    gen.accumulate_param_gradients(trace)
    assert grads(prompt, count, frozen) == [None, None, None]


def test_static_functions_run_their_body(context: dict[Any, Any]) -> None:
    t = pg.Parameter(0.5, name="t")

    @gen.generative(static=True)
    def f(x: float) -> None:
        gen.sample(gen.normal(gen.param(t) * x + gen.param("w", 0.0), 1.0), "y")

    for value in (0.5, 1.5):
        t.data = value
        trace, weight = gen.generate(f, (2.0,), {"y": 3.0}, context)
        t.zero_grad()
        gen.accumulate_param_gradients(trace)
        assert weight == pytest.approx(-0.5 * (3.0 - 2.0 * value) ** 2 - 0.5 * math.log(2 * math.pi))
        assert grads(t) == [2.0 * (3.0 - 2.0 * value)]


def test_custom_functions_read_with_their_environment(context: dict[Any, Any]) -> None:
    t = pg.Parameter(0.5, name="t")

    class Shifted(gen.GenerativeFunction):
        """A unit normal around t."""

        def simulate(self, args: Any, env: Any) -> gen.Trace:
            return self.generate(args, gen.choicemap({"y": env.rng.gauss(env.param(self, t), 1.0)}), env)[0]

        def generate(self, args: Any, constraints: Any, env: Any) -> Any:
            score = -0.5 * (constraints["y"] - env.param(self, t)) ** 2
            return gen.Trace(self, args, None, score, dict(constraints), env, reads=env.reads(self)), score

        def gradients(self, trace: Any, selection: Any, retgrad: Any, needed: Any, scale: Any = 1.0) -> gen.Gradients:
            return gen.Gradients((), {}, {t: scale * (trace["y"] - trace.reads[t].value)})

    trace, _ = gen.generate(Shifted(), (), {"y": 2.0}, context)
    gen.accumulate_param_gradients(trace)
    assert grads(t) == [1.5]


t = pg.Parameter(0.5, name="t")
v: Any = pg.Variable(2.0, requires_grad=True, name="v")
LOST = {
    "argument": lambda x: gen.normal(t, 1.0),
    "product": lambda x: gen.normal(t * x, 1.0),
    "reflected": lambda x: gen.normal(x - v, 1.0),
    "function": lambda x: gen.normal(gen.exp(t), 1.0),
    "softplus": lambda x: gen.normal(gen.softplus(v), 1.0),
    "list": lambda x: gen.categorical([t, 1 - t]),
    "vector": lambda x: gen.dirichlet([v, 1.0]),
    "discrete": lambda x: gen.bernoulli(t),
    "torch": lambda x: gen.normal(gen.from_torch(lambda a, b: a * b)(t, x), 1.0),
}


@pytest.mark.parametrize("name", LOST)
def test_a_variable_that_would_lose_its_gradient_is_one_clear_error(name: str) -> None:
    if name == "torch":
        pytest.importorskip("torch")

    @gen.generative(grad=("x",))
    def f(x: Any) -> None:
        gen.sample(LOST[name](x), "y")

    named = r"\bv\b.*pass it as an argument" if name in ("reflected", "softplus", "vector") else r"\bt\b.*gen\.param\(t\)"
    with pytest.raises(UsageError, match=named):
        gen.simulate(f, (1.5,))


def test_a_return_value_made_of_variables_is_refused_where_its_gradient_is_asked_for() -> None:
    @gen.generative(grad=True)
    def f(x: Any) -> Any:
        return [gen.sample(gen.normal(x, 1.0), "y") * t, x * v]

    trace, _ = gen.generate(f, (1.5,), {"y": 1.0})
    assert gen.choice_gradients(trace)[0] == (-0.5,)
    for retgrad in ([1.0, None], [None, 1.0]):
        with pytest.raises(UsageError, match="requires a gradient"):
            gen.choice_gradients(trace, retgrad=retgrad)


def test_a_variational_fit_does_not_lose_it_either(context: dict[Any, Any]) -> None:
    @gen.generative
    def guide() -> None:
        gen.sample(gen.normal(gen.param("a", 0.0), v), "z")

    model = gen.generative(lambda: gen.sample(gen.normal(0.0, 1.0), "z"))
    gen.init_parameter((guide, "a"), 0.0, context)
    optimizer = gen.init_optimizer(pg.optimizers.FixedStepGradientDescent(0.1), guide, context)
    for batched in (True, False):
        with pytest.raises(UsageError, match=r"\bv\b"):
            gen.black_box_vi(model, (), {}, guide, (), optimizer, iters=1, samples_per_iter=2, batched=batched, context=context)


def test_variables_that_need_no_gradient_count_as_their_values() -> None:
    c = pg.Variable(3.0)

    def gradient(factor: Any) -> Any:
        @gen.generative(grad=True)
        def f(x: Any) -> Any:
            mean = factor * x + gen.softplus(factor) - x / factor
            return gen.sample(gen.normal(mean, gen.exp(factor) + factor), "y") * x

        trace, weight = gen.generate(f, (0.7,), {"y": 1.0})
        return weight, *gen.choice_gradients(trace, retgrad=1.0)

    assert gradient(c) == gradient(3.0)


@pytest.mark.parametrize(
    ("given", "fix"), [(lambda: gen.param(v), "as an argument"), (lambda: gen.param(3), "a name or"), (lambda: gen.param(t, 1.0), "leave")]
)
def test_what_gen_param_takes(given: Any, fix: str) -> None:
    with pytest.raises(UsageError, match=fix):
        gen.simulate(gen.generative(given))
