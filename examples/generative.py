"""Generative functions: a noisy line learnt three ways, and a language model whose answer is a random choice.

``python examples/generative.py [--iterations 300]``: no key, no network; the language model is the embedded one.
"""

from __future__ import annotations

import argparse
import math
from random import Random

import paragrad as pg
from paragrad import gen

TRUE_SLOPE, TRUE_OFFSET, NOISE = 2.0, -1.0, 0.5


@gen.generative
def line(xs: list[float]) -> None:
    """Points on a line, with noise; the line is made of parameters."""
    slope, offset = gen.param("slope", 0.0), gen.param("offset", 0.0)
    for i, x in enumerate(xs):
        gen.sample(gen.normal(slope * x + offset, NOISE), ("y", i))


@gen.generative
def prior(xs: list[float]) -> None:
    """The same line, its slope and offset unknown."""
    slope, offset = gen.sample(gen.normal(0.0, 3.0), "slope"), gen.sample(gen.normal(0.0, 3.0), "offset")
    for i, x in enumerate(xs):
        gen.sample(gen.normal(slope * x + offset, NOISE), ("y", i))


@gen.generative
def guide() -> None:
    """What is believed about slope and offset."""
    for name in ("slope", "offset"):
        gen.sample(gen.normal(gen.param(f"{name}_mean", 0.0), gen.exp(gen.param(f"{name}_log_std", -1.0))), name)


@gen.generative
def support(question: str) -> None:
    """A customer is angry or calm; a language model answers."""
    mood = "angry" if gen.sample(gen.bernoulli(0.3), "angry") else "calm"
    asked = f"A {mood} customer writes: {question} Which team must answer?"
    gen.sample(gen.completion("embedded", asked, choices=["billing", "bug", "account"]), "team")


def points(rng: Random) -> tuple[list[float], dict[tuple[str, int], float]]:
    """Ten noisy points of the true line."""
    xs = [i / 5 - 1 for i in range(10)]
    return xs, {("y", i): TRUE_SLOPE * x + TRUE_OFFSET + rng.gauss(0.0, NOISE) for i, x in enumerate(xs)}


def main(iterations: int) -> dict[str, float]:
    """Learn, infer, ask; the figures that were printed."""
    context = {"default": pg.stores.open("memory:")}
    store, rng = context["default"], Random(0)

    def example(rng: Random) -> tuple[tuple[list[float]], dict[tuple[str, int], float]]:
        xs, ys = points(rng)
        return (xs,), ys

    gen.simulate(line, ([0.0],), context)  # the first run makes the parameters
    optimizer = gen.init_optimizer(pg.optimizers.DecayStepGradientDescent(0.001, 1000), line, context)
    gen.train(line, example, optimizer, num_epoch=iterations, epoch_size=8, minibatch_size=8, evaluation_size=4, context=context)
    slope = store.get_parameter_value((line, "slope"))
    print(f"train: slope {slope:.2f}, offset {store.get_parameter_value((line, 'offset')):.2f} (true: {TRUE_SLOPE}, {TRUE_OFFSET})")

    xs, ys = points(rng)
    gen.simulate(guide, (), context)
    optimizer = gen.init_optimizer(pg.optimizers.Adam(lr=0.05, maximize=True), guide, context)
    fitted = gen.black_box_vi(prior, (xs,), ys, guide, (), optimizer, iters=iterations, samples_per_iter=50, context=context)
    mean, std = store.get_parameter_value((guide, "slope_mean")), math.exp(store.get_parameter_value((guide, "slope_log_std")))
    print(f"black-box VI: slope {mean:.2f} ± {std:.2f}, bound on the evidence {fitted.objective:.1f}, batched: {fitted.batched}")

    weighted = gen.importance_sampling(prior, (xs,), ys, 2000, guide, context=context)
    posterior = sum(math.exp(weight) * trace["slope"] for trace, weight in zip(weighted.traces, weighted.log_weights, strict=True))
    print(f"importance sampling with that guide: slope {posterior:.2f}, evidence {weighted.log_evidence:.1f}")

    question = ("Why was I charged twice?",)
    trace, weight = gen.generate(support, question, {"team": "billing"}, rng=0)
    answered = gen.importance_sampling(support, question, {"team": "billing"}, 20)
    angry = sum(math.exp(w) for t, w in zip(answered.traces, answered.log_weights, strict=True) if t["angry"])
    print(f"the model says {trace['team']!r} with probability {math.exp(weight):.3f}; given that, angry with {angry:.2f}")
    return {"slope": slope, "mean": mean, "posterior": posterior, "weight": weight}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--iterations", type=int, default=300)
    main(parser.parse_args().iterations)
