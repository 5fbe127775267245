"""Generative functions of the reference cases GT13 to GT18, and runs of them; tests run them short, p12 in full.

The numbers they must reach come from the document family (Gen's own tests); where a test of Gen's fixes
no program, the smallest one with the same optimum stands here.
"""

from __future__ import annotations

import math
from random import Random
from typing import Any

from paragrad import gen
from paragrad.gen.distributions.special import LOG_ROOT_2PI
from paragrad.rules import DecayStepGradientDescent, FixedStepGradientDescent
from paragrad.stores import MemoryStore

Context = dict[str, Any]


def fresh() -> Context:
    """A context with a store of its own."""
    return {"default": MemoryStore()}


def values(context: Context, owner: Any, *names: str) -> list[Any]:
    """Parameters of one function."""
    return [context["default"].get_parameter_value((owner, name)) for name in names]


# GT13: learn to invert xor


@gen.generative
def student(z: bool) -> None:
    """Guesses x and y from z = x xor y: x is a coin, and then y is certain."""
    x = gen.sample(gen.bernoulli(gen.sigmoid(gen.param("theta1", 0.0))), "x")
    name = ("theta2" if z else "theta3") if x else ("theta4" if z else "theta5")
    gen.sample(gen.bernoulli(gen.sigmoid(gen.param(name, 0.0))), "y")


THETAS = ("theta1", "theta2", "theta3", "theta4", "theta5")


def xor_example(rng: Random) -> tuple[tuple[bool], dict[str, bool]]:
    """z, and what it came from."""
    x, y = rng.random() < 0.5, rng.random() < 0.5
    return (x != y,), {"x": x, "y": y}


def train_xor(context: Context, epochs: int, step: float = 0.01, **options: Any) -> list[float]:
    """GT13: 2000 epochs of 50 in full."""
    for name in THETAS:
        gen.init_parameter((student, name), 0.0, context)
    optimizer = gen.init_optimizer(DecayStepGradientDescent(step, 1e6), student, context)
    sizes = {"num_epoch": epochs, "epoch_size": 50, "num_minibatch": 1, "minibatch_size": 50, "evaluation_size": 5}
    return gen.train(student, xor_example, optimizer, **sizes, context=context, **options)


# GT14: the sleep phase


@gen.generative
def teacher() -> float:
    """z, and x two above it with a little noise."""
    z = gen.sample(gen.normal(0.0, 1.0), "z")
    return gen.sample(gen.normal(z + 2.0, 0.3), "x")


@gen.generative
def inverter(x: float) -> None:
    """Infers z from x; the best theta is -2, the best log_std log 0.3."""
    gen.sample(gen.normal(x + gen.param("theta", 0.0), gen.exp(gen.param("log_std", 0.0))), "z")


@gen.generative
def inverter_batched(xs: list[float]) -> None:
    """The same for several at once."""
    theta, log_std = gen.param("theta", 0.0), gen.param("log_std", 0.0)
    for i, x in enumerate(xs):
        gen.sample(gen.normal(x + theta, gen.exp(log_std)), (i, "z"))


def lectured(context: Context, updates: int, batched: bool, seed: int = 0) -> float:
    """GT14: learn from lectures of 20; the mean score of 1,000 more."""
    rng, q = Random(seed), inverter_batched if batched else inverter
    for name in ("theta", "log_std"):
        gen.init_parameter((q, name), 0.0, context)
    optimizer = gen.init_optimizer(DecayStepGradientDescent(0.001, 1e4), q, context)
    for _ in range(updates):
        _lecture(context, batched, 20, rng)
        gen.apply_update(optimizer)
    return _lecture(context, batched, 1000, rng)


def _lecture(context: Context, batched: bool, count: int, rng: Random) -> float:
    if batched:
        return gen.lecture_batched(
            teacher, (), inverter_batched, lambda traces: ([t.retval for t in traces],), count, context=context, rng=rng
        )
    return sum(gen.lecture(teacher, (), inverter, lambda trace: (trace.retval,), context=context, rng=rng) for _ in range(count)) / count


# GT15, GT16: black-box variational inference


@gen.generative
def line() -> None:
    """Two independent normals."""
    gen.sample(gen.normal(-1.0, math.exp(0.5)), "slope")
    gen.sample(gen.normal(1.0, math.exp(2.0)), "intercept")


@gen.generative
def line_guide() -> None:
    """The same family, with parameters."""
    gen.sample(gen.normal(gen.param("slope_mu", 0.0), gen.exp(gen.param("slope_log_std", 0.0))), "slope")
    gen.sample(gen.normal(gen.param("intercept_mu", 0.0), gen.exp(gen.param("intercept_log_std", 0.0))), "intercept")


line_static = gen.generative(static=True)(line.function)
line_guide_static = gen.generative(static=True)(line_guide.function)
LINE = ("slope_mu", "slope_log_std", "intercept_mu", "intercept_log_std")
LINE_BEST = (-1.0, 0.5, 1.0, 2.0)


def fit_line(
    context: Context, iters: int, samples: int = 100, beta: float = 1000.0, static: bool = False, **options: Any
) -> gen.Fitted:  # fmt: skip
    """GT15: Decay(1, 1000), 2000 times 100 samples in full."""
    model, guide = (line_static, line_guide_static) if static else (line, line_guide)
    optimizer = _line_optimizer(context, 1.0, beta, guide)
    return gen.black_box_vi(model, (), {}, guide, (), optimizer, iters=iters, samples_per_iter=samples, context=context, **options)


def fit_line_vimco(context: Context, iters: int, **options: Any) -> gen.Fitted:
    """GT16's smoke run."""
    optimizer = _line_optimizer(context, 0.1, 1000.0)
    return gen.black_box_vimco(line, (), {}, line_guide, (), optimizer, iters=iters, context=context, **options)


def _line_optimizer(context: Context, step: float, beta: float, guide: Any = line_guide) -> Any:
    for name in LINE:
        gen.init_parameter((guide, name), 0.0, context)
    return gen.init_optimizer(DecayStepGradientDescent(step, beta), guide, context)


# GT17: a minimal variational autoencoder

XS = (0.1, 1.7, -0.8, 2.4, 1.0, 0.6, 1.9, -0.1, 1.3, 0.9)


@gen.generative
def decoder(count: int) -> None:
    """z around theta, x around z: x is normal with mean theta and variance 2."""
    theta = gen.param("theta", 0.0)
    for i in range(count):
        gen.sample(gen.normal(gen.sample(gen.normal(theta, 1.0), ("z", i)), 1.0), ("x", i))


@gen.generative
def encoder(xs: tuple[float, ...]) -> None:
    """z from x by a line with noise; the best is theta/2 + x/2 with deviation sqrt(1/2)."""
    offset, slope, log_std = gen.param("offset", 0.0), gen.param("slope", 0.0), gen.param("log_std", 0.0)
    for i, x in enumerate(xs):
        gen.sample(gen.normal(offset + slope * x, gen.exp(log_std)), ("z", i))


def best_elbo() -> float:
    """The evidence at the best theta: the sum of log N(x; mean, sqrt 2)."""
    mean = sum(XS) / len(XS)
    return sum(-((x - mean) ** 2) / 4 - math.log(math.sqrt(2.0)) - LOG_ROOT_2PI for x in XS)


def fit_vae(
    context: Context, iters: int, vimco: bool = False, guide_step: float = 1e-4, model_step: float = 2e-3, **options: Any
) -> gen.Fitted:
    """GT17: Fixed(1e-4) for the guide and Fixed(2e-3) for the model; 3000 times 20, VIMCO 1000 times 10 times 10, in full."""
    gen.init_parameter((decoder, "theta"), 0.0, context)
    for name in ("offset", "slope", "log_std"):
        gen.init_parameter((encoder, name), 0.0, context)
    guide = gen.init_optimizer(FixedStepGradientDescent(guide_step), encoder, context)
    model = gen.init_optimizer(FixedStepGradientDescent(model_step), decoder, context)
    given = {("x", i): x for i, x in enumerate(XS)}
    fit = gen.black_box_vimco if vimco else gen.black_box_vi
    sizes = {"samples_per_iter": 10, "num_samples": 10} if vimco else {"samples_per_iter": 20}
    return fit(
        decoder, (len(XS),), given, encoder, (XS,), guide, model_optimizer=model, iters=iters, context=context, **{**sizes, **options}
    )  # fmt: skip


# GT18: importance sampling


@gen.generative
def hidden() -> None:
    """x, seen through noise as y: the evidence of y is N(0, sqrt 2)."""
    gen.sample(gen.normal(gen.sample(gen.normal(0.0, 1.0), "x"), 1.0), "y")


@gen.generative
def near(y: float) -> None:
    """The posterior of x."""
    gen.sample(gen.normal(y / 2.0, math.sqrt(0.5)), "x")
