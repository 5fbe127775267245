"""Training loops: their estimators agree with each other, whatever the body, and depend on the seed alone."""

from __future__ import annotations

import math
from random import Random
from typing import Any

import numpy as np
import pytest

from benchmarks import gen_cases as cases
from paragrad import gen
from paragrad.errors import UsageError
from paragrad.gen.choices import choicemap
from paragrad.gen.training.estimators import Estimator
from paragrad.gen.training.fused import Body
from paragrad.gen.training.replayed import Replayed
from paragrad.gen.training.samples import Samples
from paragrad.gen.training.supervised import _Learner
from paragrad.gen.training.variational import _elbo
from paragrad.gen.training.vimco import _signals
from paragrad.rules import FixedStepGradientDescent


@gen.generative
def shifted(mean: float) -> float:
    return gen.sample(gen.normal(mean, gen.exp(gen.param("log_std", 0.1))), "v")


@gen.generative
def branching() -> None:
    """Control flow on a choice, a call, a splice, an array parameter, and a value that feeds another."""
    coefficients = gen.param("coefficients", [0.2, -0.3])
    if gen.sample(gen.bernoulli(gen.sigmoid(gen.param("logit", 0.4))), "coin"):
        first = gen.sample(shifted(coefficients[0] + coefficients[1]), "inner")
    else:
        first = gen.sample(shifted(coefficients[0] * 2.0))
    gen.sample(gen.normal(first * gen.param("slope", 0.7), 1.0), "last")


@gen.generative
def branching_model() -> None:
    weight = gen.param("weight", 0.5)
    coin = gen.sample(gen.bernoulli(0.5), "coin")
    first = gen.sample(gen.normal(weight, 2.0), ("inner", "v") if coin else "v")
    gen.sample(gen.normal(first, 1.5), "last")
    gen.sample(gen.normal(first + weight, 1.0), "seen")


@gen.generative
def straight() -> None:
    z = gen.sample(gen.normal(gen.param("a", 0.3), gen.exp(gen.param("b", -0.2))), "z")
    gen.sample(gen.gamma(gen.exp(gen.param("c", 0.5)), 1.0 + z * z), "w")


@gen.generative
def straight_model() -> None:
    z = gen.sample(gen.normal(gen.param("prior", 0.0), 1.0), "z")
    gen.sample(gen.gamma(2.0, 1.5), "w")
    gen.sample(gen.normal(z, 0.5), "seen")


@gen.generative
def wide() -> None:
    """Choices whose arguments are lists and arrays."""
    up, rows = gen.sigmoid(gen.param("up", 0.4)), gen.param("rows", [0.2, 0.3, 0.5])
    kind = gen.sample(gen.categorical([up, 1.0 - up]), "kind")
    gen.sample(gen.categorical(rows / np.sum(rows)), "other")
    gen.sample(gen.broadcasted_normal(gen.param("at", 0.3) + kind, gen.exp(gen.param("log_std", 0.1))), "flat")
    gen.sample(gen.beta_uniform(up, 2.0, 1.5), "share")


@gen.generative
def wide_prior() -> Any:
    low = gen.sigmoid(gen.param("low", 0.1))
    kind = gen.sample(gen.categorical([low, 1.0 - low]), "kind")
    other = gen.sample(gen.categorical([0.2, 0.4, 0.4]), "other")
    flat = gen.sample(gen.broadcasted_normal(0.0, 2.0), "flat")
    gen.sample(gen.piecewise_uniform([0.0, 0.4, 1.0], [low, 1.0 - low]), "share")
    gen.sample(gen.normal(flat, 1.0 + kind + other), "more")
    return low


@gen.generative
def wide_model() -> None:
    low = gen.sample(wide_prior())
    gen.sample(gen.mixture([low, 1.0 - low], [gen.normal(0.0, 1.0), gen.normal(2.0, 1.0)]), "seen")


@gen.generative
def wide_single() -> None:
    gen.sample(gen.normal(gen.sample(wide_prior()), 1.0), "seen")


def estimator(model: Any, guide: Any, samples: int = 1, estimates: int = 30) -> Estimator:
    signals = _elbo if samples == 1 else lambda weights: _signals(weights, gen.geometric_baselines)
    given = {"seen": 0.8, "more": 0.2} if guide is wide else {"seen": 0.8}
    return Estimator(model, (), choicemap(given), guide, (), signals, estimates, samples, True)


def sums(found: Any) -> dict[str, Any]:
    return {f"{id[0]}.{id[1]}": grad for part in (found.guide, found.model) for id, grad in part.sums.items()}


def prepared(model: Any, guide: Any) -> Any:
    """A context that has both functions' parameters."""
    context = cases.fresh()
    for seed in range(8):
        gen.simulate(model, (), context, rng=seed)
        gen.simulate(guide, (), context, rng=seed)
    return context


@pytest.mark.parametrize("samples", [1, 5])
@pytest.mark.parametrize(("model", "guide"), [(branching_model, branching), (straight_model, straight), (wide_single, wide)])
def test_without_traces_the_estimate_is_the_same(model: Any, guide: Any, samples: int) -> None:
    """One by one: the same draws, the same gradients, for any control flow."""
    context, tried = prepared(model, guide), estimator(model, guide, samples)
    fast = tried.fused(Samples(context, 3), together=False)
    total, guide_sum, model_sum = tried._chunk(Samples(context, 3).environment(), range(30))
    assert fast is not None
    assert fast.objective == pytest.approx(total / 30, rel=1e-12)
    expected = {f"{id[0]}.{id[1]}": grad for part in (guide_sum, model_sum) for id, grad in part.sums.items()}
    assert sums(fast).keys() == expected.keys()
    for name, grad in sums(fast).items():
        np.testing.assert_allclose(grad, expected[name], rtol=1e-9, err_msg=name)


@pytest.mark.parametrize("samples", [1, 5])
@pytest.mark.parametrize(("model", "guide"), [(straight_model, straight), (wide_model, wide)])
def test_on_arrays_the_estimate_is_the_same(model: Any, guide: Any, samples: int) -> None:
    context, tried = prepared(model, guide), estimator(model, guide, samples)
    assert tried.works_at_once(Samples(context, 0))
    fast, traced = tried.fused(Samples(context, 3), together=True), tried.at_once(Samples(context, 3))
    assert fast is not None
    assert fast.objective == pytest.approx(traced.objective, rel=1e-12)
    assert sums(fast).keys() == sums(traced).keys()
    for name, grad in sums(traced).items():
        np.testing.assert_allclose(sums(fast)[name], grad, rtol=1e-9, err_msg=name)


def test_static_functions_are_replayed_on_arrays() -> None:
    """The same estimate as the bodies', from programs; a parameter that meets a choice needs the body."""
    found = []
    for static in (True, False):
        guide, model = (gen.generative(static=static)(f.function) for f in (cases.line_guide, cases.line))
        context = prepared(model, guide)
        samples = Samples(context, 3)
        estimate = Estimator(model, (), choicemap({}), guide, (), _elbo, 30, 1, True).fused(samples, together=True)
        assert estimate is not None
        assert [isinstance(body, Replayed) for body in samples._bodies.values()] == [static, static]
        found.append((estimate.objective, sums(estimate)))
    assert found[0] == found[1]
    body = Samples(context, 0).body(gen.generative(static=True)(straight_model.function), (), Samples(context, 0).batch(5), True)
    assert isinstance(body, Replayed)
    met = gen.generative(static=True)(lambda: gen.sample(gen.normal(gen.sample(gen.normal(0.0, 1.0), "a") * gen.param("w", 1.0), 1.0), "b"))
    assert isinstance(Samples(context, 0).body(met, (), Samples(context, 0).batch(5), True), Body)


def test_arrays_are_tried_before_they_are_used() -> None:
    context = prepared(branching_model, branching)
    assert estimator(straight_model, straight).works_at_once(Samples(prepared(straight_model, straight), 0))
    assert not estimator(branching_model, branching).works_at_once(Samples(context, 0))


def test_gradients_are_unbiased() -> None:
    """ELBO of N(a, e^b) against N(0, 1) seen at 0.8 with noise 0.5: the derivatives are known."""

    @gen.generative
    def guide() -> None:
        gen.sample(gen.normal(gen.param("a", 0.3), gen.exp(gen.param("b", -0.5))), "z")

    @gen.generative
    def model() -> None:
        gen.sample(gen.normal(gen.sample(gen.normal(0.0, 1.0), "z"), 0.5), "seen")

    context, a, variance = prepared(model, guide), 0.3, math.exp(-1.0)
    expected = {"a": -a + (0.8 - a) / 0.25, "b": 1.0 - variance - variance / 0.25}
    tried = estimator(model, guide, estimates=10_000)
    for together in (True, False):
        found = tried.fused(Samples(context, 1), together)
        assert found is not None
        assert {id[1]: grad for id, grad in found.guide.sums.items()} == pytest.approx(expected, abs=0.25)


def test_a_guide_that_needs_traces_gets_them() -> None:
    """A body that asks for one number has no array form."""

    @gen.generative
    def guide() -> None:
        p = gen.sigmoid(gen.param("logit", 0.0))
        gen.sample(gen.categorical([p, 1.0 - p]), "k")

    @gen.generative
    def model() -> None:
        k = gen.sample(gen.categorical([0.5, 0.5]), "k")
        gen.sample(gen.normal(float(k), 0.5), "seen")

    context = prepared(model, guide)
    optimizer = gen.init_optimizer(FixedStepGradientDescent(0.2), guide, context)
    fitted = gen.black_box_vi(model, (), {"seen": 1.0}, guide, (), optimizer, iters=100, samples_per_iter=15, context=context)
    assert not fitted.batched
    odds = 0.5 / 0.25 * (0.0 - 0.5)  # log p(seen | 0) - log p(seen | 1)
    assert context["default"].get_parameter_value((guide, "logit")) == pytest.approx(odds * 2, abs=0.7)
    assert len(fitted.traces) == 15


@pytest.mark.parametrize("batched", [True, False])
def test_a_seed_decides_everything(batched: bool) -> None:
    found = []
    for seed in (5, 5, 6):
        context = cases.fresh()
        fitted = cases.fit_line(context, 4, samples=20, batched=batched, seed=seed)
        found.append((fitted.history, cases.values(context, cases.line_guide, *cases.LINE)))
    assert found[0] == found[1]
    assert found[0] != found[2]


def test_threads_do_not_change_training() -> None:
    found = []
    for workers in (1, 3):
        context = cases.fresh()
        history = cases.train_xor(context, 3, workers=workers)
        found.append((history, cases.values(context, cases.student, *cases.THETAS)))
    assert found[0] == found[1]


def test_training_gradients_are_those_of_the_traces() -> None:
    context, rng = prepared(branching_model, branching), Random(4)
    examples = [((), gen.simulate(branching, (), context, rng=rng).choices) for _ in range(20)]
    learner = _Learner(branching, Samples(context, 0))
    fast, score = learner.gradient(examples), learner.score(examples)
    assert learner.fused
    traced = learner._traced(Samples(context, 0).environment(), examples)
    assert fast.sums.keys() == traced.sums.keys()
    for id, grad in traced.sums.items():
        np.testing.assert_allclose(fast.sums[id], grad, rtol=1e-9)
    assert score == pytest.approx(sum(gen.assess(branching, (), choices, context)[0] for _, choices in examples) / 20)


def test_examples_may_leave_choices_open() -> None:
    """What is not given is sampled, with a trace per example."""
    context = prepared(straight, straight)
    learner = _Learner(straight, Samples(context, 0))
    found = learner.gradient([((), choicemap({"w": 1.0})), ((), choicemap({"w": 2.0}))])
    assert not learner.fused
    assert {id[1] for id in found.sums} == {"a", "b", "c"}


def test_callbacks_hear_and_stop() -> None:
    heard: list[tuple[int, float]] = []

    def callback(number: int, score: float) -> bool:
        heard.append((number, score))
        return number == 2

    history = cases.train_xor(cases.fresh(), 9, callback=callback)
    assert [score for _, score in heard] == history
    assert len(history) == 3
    heard.clear()
    assert len(cases.fit_line(cases.fresh(), 9, samples=4, callback=callback).history) == 3


def test_a_lecture_leaves_out_what_the_student_does_not_choose() -> None:
    context = cases.fresh()
    score = gen.lecture(cases.teacher, (), cases.inverter, lambda trace: (trace.retval,), context=context, rng=1, scale=2.0)
    dream = gen.simulate(cases.teacher, (), context, rng=1)
    assert score == pytest.approx(gen.normal(dream.retval, 1.0).logpdf(dream["z"]))
    gradient = context["default"].get_gradient((cases.inverter, "theta"))
    assert gradient == pytest.approx(2.0 * (dream["z"] - dream.retval))


def test_importance_weights_are_those_of_the_definition() -> None:
    found = gen.importance_sampling(cases.hidden, (), {"y": 1.0}, 5, (cases.near, (0.4,)), seed=2)
    raw = []
    for trace in found.traces:
        x = trace["x"]
        raw.append(gen.normal(0.0, 1.0).logpdf(x) + gen.normal(x, 1.0).logpdf(1.0) - gen.normal(0.2, math.sqrt(0.5)).logpdf(x))
    top = math.log(sum(map(math.exp, raw)))
    assert found.log_weights == pytest.approx([weight - top for weight in raw])
    assert found.log_evidence == pytest.approx(top - math.log(5))


def test_resampling_follows_the_weights() -> None:
    """The posterior of x given y = 2 has mean 1."""
    drawn = [gen.importance_resampling(cases.hidden, (), {"y": 2.0}, 30, seed=seed).trace["x"] for seed in range(300)]
    assert sum(drawn) / 300 == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda c: gen.importance_sampling(cases.hidden, (), {"q": 2.0}, 3, context=c), "makes no choice at 'q'"),
        (lambda c: gen.importance_sampling(cases.hidden, (), {"x": 2.0}, 3, (cases.near, (1.0,)), context=c), "observed and proposed"),
        (lambda c: gen.importance_sampling(cases.hidden, (), {}, 0, context=c), "n is 0; it must be an integer of at least 1"),
        (lambda c: cases.fit_line(c, 0), "iters is 0"),
        (lambda c: cases.fit_line_vimco(c, 1, num_samples=1), "a baseline needs at least 2"),
        (lambda c: cases.fit_line(c, 1, workers=0), "workers is 0"),
        (lambda c: gen.train(cases.student, cases.xor_example, None, epoch_size=2, minibatch_size=3, context=c), "minibatch_size=3"),
    ],
)
def test_wrong_arguments_are_named(wrong: Any, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        wrong(cases.fresh())
    assert said in str(caught.value)


def test_a_guide_outside_the_model_s_support_is_an_error() -> None:
    @gen.generative
    def guide() -> None:
        gen.sample(gen.normal(gen.param("mean", 0.0), 1.0), "z")

    @gen.generative
    def model() -> None:
        gen.sample(gen.uniform(0.0, 1.0), "z")

    @gen.generative
    def misnamed() -> None:
        gen.sample(gen.uniform(0.0, 1.0), "other")

    context = cases.fresh()
    gen.simulate(guide, (), context)
    optimizer = gen.init_optimizer(FixedStepGradientDescent(0.1), guide, context)
    for batched in (True, False):
        with pytest.raises(UsageError, match="gives probability 0"):
            gen.black_box_vi(model, (), {}, guide, (), optimizer, iters=1, samples_per_iter=20, batched=batched, context=context)
        with pytest.raises(UsageError, match="makes no choice at 'z'"):
            gen.black_box_vi(misnamed, (), {}, guide, (), optimizer, iters=1, samples_per_iter=20, batched=batched, context=context)
    assert context["default"].get_gradient((guide, "mean")) == 0.0


def test_a_language_model_s_choice_is_inferred_from() -> None:
    """The answer is observed; what led to it is weighed by the model's probability of that answer."""
    import paragrad as pg

    likely = {"angry": 0.9, "calm": 0.2}

    class Scorer:
        name = "scorer"
        scores = True

        def complete(self, requests: list[Any]) -> list[Any]:
            found = []
            for request in requests:
                yes = likely[request.messages[0]["content"]]
                p = yes if request.extra["score"] == "refund" else 1 - yes
                found.append(pg.llm.Response(request.extra["score"], logprobs=[{"token": "t", "logprob": math.log(p), "top": {}}]))
            return found

    asked = pg.llm.stack(Scorer(), cache=False)

    @gen.generative
    def support() -> None:
        mood = "angry" if gen.sample(gen.bernoulli(0.5), "angry") else "calm"
        gen.sample(gen.completion(asked, mood, choices=["refund", "none"]), "answer")

    for workers in (1, 4):
        found = gen.importance_sampling(support, (), {"answer": "refund"}, 400, workers=workers)
        angry = sum(math.exp(w) for trace, w in zip(found.traces, found.log_weights, strict=True) if trace["angry"])
        assert angry == pytest.approx(0.9 / 1.1, abs=0.06)


def test_examples_are_drawn_with_the_seed() -> None:
    seen: list[list[float]] = []
    for _ in range(2):
        drawn: list[float] = []

        def example(rng: Random, drawn: list[float] = drawn) -> Any:
            drawn.append(rng.random())
            return (True,), {"x": True, "y": False}

        context = cases.fresh()
        gen.init_parameter((cases.student, "theta1"), 0.0, context)
        gen.init_parameter((cases.student, "theta2"), 0.0, context)
        optimizer = gen.init_optimizer(FixedStepGradientDescent(0.1), [(cases.student, "theta1"), (cases.student, "theta2")], context)
        gen.train(cases.student, example, optimizer, num_epoch=2, epoch_size=3, context=context, seed=9)
        seen.append(drawn)
    assert seen[0] == seen[1]
    assert len(seen[0]) == 8
