"""Section G, learning: the reference cases GT13 to GT18 (G15) and the training loops (G16).

Shortened where the full run is long; the full ones, with the values obtained, are in benchmarks/p12_generative.py.
"""

from __future__ import annotations

import math
from random import Random
from typing import Any

import pytest

from benchmarks import gen_cases as cases
from paragrad import gen
from paragrad.errors import UsageError
from paragrad.rules import FixedStepGradientDescent


def test_G15_GT13_train_learns_to_invert_xor() -> None:
    context = cases.fresh()
    history = cases.train_xor(context, epochs=500, step=0.04, seed=4)
    theta1, theta2, theta3, theta4, theta5 = cases.values(context, cases.student, *cases.THETAS)
    print("GT13", theta1, theta2, theta3, theta4, theta5)
    assert abs(theta1) < 0.2
    assert theta2 < -5
    assert theta3 > 5
    assert theta4 > 5
    assert theta5 < -5
    assert history[0] == pytest.approx(2 * math.log(0.5), abs=0.2)
    assert sum(history[-40:]) / 40 == pytest.approx(math.log(0.5), abs=0.05)


def test_G15_GT13_gradients_are_finite_differences() -> None:
    context, rng = cases.fresh(), Random(0)
    start = dict(zip(cases.THETAS, (0.1, -0.7, 0.9, 0.4, -1.2), strict=True))
    for name, value in start.items():
        gen.init_parameter((cases.student, name), value, context)
    examples = [cases.xor_example(rng) for _ in range(100)]

    def score() -> float:
        return sum(gen.assess(cases.student, args, choices, context)[0] for args, choices in examples)

    for args, choices in examples:
        gen.accumulate_param_gradients(gen.generate(cases.student, args, choices, context)[0])
    store = context["default"]
    for name, value in start.items():
        id = (cases.student, name)
        store.set_parameter_value(id, value + 1e-6)
        above = score()
        store.set_parameter_value(id, value - 1e-6)
        below = score()
        store.set_parameter_value(id, value)
        assert store.get_gradient(id) == pytest.approx((above - below) / 2e-6, abs=1e-4)


@pytest.mark.parametrize("batched", [False, True])
def test_G15_GT14_lectures_reach_the_closed_form(batched: bool) -> None:
    context = cases.fresh()
    score = cases.lectured(context, 300, batched)
    theta, log_std = cases.values(context, cases.inverter_batched if batched else cases.inverter, "theta", "log_std")
    print("GT14", "batched" if batched else "single", score, theta, log_std)
    assert score == pytest.approx(-0.2149657, abs=0.05)
    assert theta == pytest.approx(-2.0, abs=0.05)
    assert log_std == pytest.approx(-1.2039728, abs=0.05)


def test_G15_GT15_black_box_vi_one_by_one_with_and_without_threads() -> None:
    """The intercept needs the full run: its posterior is eight times wider."""
    found = {}
    for workers in (1, 4):
        context = cases.fresh()
        assert not cases.fit_line(context, 80, batched=False, workers=workers, seed=1).batched
        found[workers] = cases.values(context, cases.line_guide, *cases.LINE)
    print("GT15 one by one, 80 of 2000 iterations", found[1])
    assert found[1] == found[4]
    assert found[1][:2] == pytest.approx(cases.LINE_BEST[:2], abs=0.02)
    assert found[1][3] == pytest.approx(cases.LINE_BEST[3], abs=0.05)
    assert 0.3 < found[1][2] < 1.1


def test_G15_GT15_black_box_vi_at_once_in_full() -> None:
    context = cases.fresh()
    fitted = cases.fit_line(context, 2000)
    found = cases.values(context, cases.line_guide, *cases.LINE)
    print("GT15 batched", found, fitted.objective)
    assert fitted.batched
    assert found == pytest.approx(cases.LINE_BEST, abs=1e-3)
    assert fitted.objective == pytest.approx(0.0, abs=1e-3)


def test_G15_GT16_baselines_have_the_given_values() -> None:
    geometric, arithmetic = gen.geometric_baselines([0.0, 1.0, 2.0]), gen.arithmetic_baselines([0.0, 1.0, 2.0])
    print("GT16", geometric, arithmetic)
    assert geometric.tolist() == pytest.approx([1.5816574, 1.3089937, 0.5816574], abs=1e-7)
    assert arithmetic.tolist() == pytest.approx([1.6201145, 1.4337808, 0.6201145], abs=1e-7)


@pytest.mark.parametrize("geometric", [True, False])
@pytest.mark.parametrize("batched", [True, False])
def test_G15_GT16_vimco_runs_and_improves(geometric: bool, batched: bool) -> None:
    fitted = cases.fit_line_vimco(cases.fresh(), 40, geometric=geometric, batched=batched, num_samples=5)
    assert sum(fitted.history[-10:]) > sum(fitted.history[:10])


@pytest.mark.parametrize("vimco", [False, True])
def test_G15_GT17_a_minimal_autoencoder(vimco: bool) -> None:
    context = cases.fresh()
    if vimco:
        fitted = cases.fit_vae(context, 300, vimco=True, guide_step=3e-3, model_step=1e-2)
    else:
        fitted = cases.fit_vae(context, 600, guide_step=6e-4, model_step=1e-2, samples_per_iter=100)
    (theta,) = cases.values(context, cases.decoder, "theta")
    objective = sum(fitted.history[-50:]) / 50
    print("GT17", "vimco" if vimco else "vi", theta, objective, cases.best_elbo())
    assert theta == pytest.approx(sum(cases.XS) / len(cases.XS), abs=0.1)
    assert objective == pytest.approx(cases.best_elbo(), rel=0.1)


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("proposal", [None, (cases.near, (2.0,))])
def test_G15_GT18_importance_sampling(workers: int, proposal: Any) -> None:
    found = gen.importance_sampling(cases.hidden, (), {"y": 2.0}, 4, proposal, workers=workers)
    assert len(found.traces) == 4
    assert all(trace["y"] == 2.0 for trace in found.traces)
    assert math.log(sum(map(math.exp, found.log_weights))) == pytest.approx(0.0, abs=1e-14)
    evidence = gen.normal(0.0, math.sqrt(2.0)).logpdf(2.0)
    if proposal is not None:  # the exact posterior: every weight is the evidence
        assert found.log_evidence == pytest.approx(evidence, rel=1e-12)
    many = gen.importance_sampling(cases.hidden, (), {"y": 2.0}, 2000, workers=workers)
    assert many.log_evidence == pytest.approx(evidence, abs=0.1)
    one = gen.importance_resampling(cases.hidden, (), {"y": 2.0}, 50, proposal, workers=workers)
    assert one.trace["y"] == 2.0


def test_G16_every_loop_takes_the_context() -> None:
    """Nothing reaches the default store."""
    before = set(gen_default_ids())
    context = cases.fresh()
    cases.train_xor(context, 1)
    cases.lectured(context, 1, batched=False)
    cases.lectured(context, 1, batched=True)
    cases.fit_line(context, 1, samples=3)
    cases.fit_line_vimco(context, 1)
    cases.fit_vae(context, 1)
    gen.importance_sampling(cases.decoder, (2,), {("x", 0): 1.0}, 3, context=context)
    assert set(gen_default_ids()) == before
    assert {id.split("/")[-1] for id in context["default"].ids()} >= {"theta", "theta1", "offset", "slope_mu"}


def gen_default_ids() -> Any:
    from paragrad.stores.default import default_parameter_store

    return default_parameter_store().ids()


def test_G16_anything_with_parameter_ids_can_be_trained() -> None:
    """A function written by hand, with the store's own API, in a loop of the library."""

    class Coin(gen.GenerativeFunction):
        __qualname__ = "Coin"

        def simulate(self, args: Any, env: Any) -> gen.Trace:
            value = gen.normal(self.mean(env), 1.0).sample(env.rng)
            return self.traced(args, value, env)

        def generate(self, args: Any, constraints: Any, env: Any) -> tuple[gen.Trace, Any]:
            trace = self.traced(args, constraints["v"], env)
            return trace, trace.score

        def mean(self, env: Any) -> float:
            return float(env.param(self, "mean", 0.0))

        def traced(self, args: Any, value: float, env: Any) -> gen.Trace:
            logp = gen.normal(self.mean(env), 1.0).logpdf(value)
            reads = {(self, "mean"): env.read(self, "mean")}
            return gen.Trace(self, args, value, logp, {"v": value}, env, logps={"v": logp}, reads=reads)

        def gradients(self, trace: Any, selection: Any, retgrad: Any, needed: Any, scale: Any = 1.0) -> gen.Gradients:
            mean = trace.reads[self, "mean"].value
            return gen.Gradients((), {}, {(self, "mean"): scale * (trace["v"] - mean)})

    context, coin = cases.fresh(), Coin()
    gen.init_parameter((coin, "mean"), 0.0, context)
    optimizer = gen.init_optimizer(FixedStepGradientDescent(0.05), coin, context)
    gen.train(
        coin, lambda rng: ((), {"v": rng.gauss(3.0, 1.0)}), optimizer, num_epoch=40, epoch_size=10, minibatch_size=10, context=context
    )
    assert context["default"].get_parameter_value((coin, "mean")) == pytest.approx(3.0, abs=0.6)


def test_G16_a_constraint_that_names_no_address_is_an_error_in_training() -> None:
    context = cases.fresh()
    optimizer_context = cases.train_xor(context, 1) and context
    with pytest.raises(UsageError, match="makes no choice at 'q'"):
        gen.train(cases.student, lambda rng: ((True,), {"q": 1}), None, context=optimizer_context)
