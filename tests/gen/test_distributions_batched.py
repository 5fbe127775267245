"""Every family on arrays with one entry per sample: the densities and derivatives of the samples one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import paragrad as pg
from paragrad import gen
from paragrad.errors import UsageError
from paragrad.gen.distributions import __all__ as names
from tests.gen.test_distributions import CASES

PARTS = [gen.normal(-1.0, 0.5), gen.gamma(2.0, 1.0), gen.cauchy(0.0, 2.0)]
FAMILIES: list[tuple[str, tuple[Any, ...], list[Any]]] = [
    *[(name, args, [*inside, *outside]) for name, args, inside, outside, _ in CASES],
    ("mixture", ([0.2, 0.5, 0.3], PARTS), [-1.0, 0.5, 3.0]),
    ("mixture", ([0.5, 0.5], [gen.poisson(3.0), gen.geometric(0.3)]), [0, 4, -1]),
    ("mixture", ([1.0, 0.0], [gen.uniform(0.0, 1.0), gen.uniform(2.0, 3.0)]), [0.5, 2.5, 4.0]),
    ("delta", (1.5,), [1.5, 2.0]),
    ("delta", ([1.5, 2.5],), [[1.5, 2.5], [1.5, 0.0]]),
    ("categorical", ([0.0, 1.0],), [0, 1, 2]),
]
IDS = [f"{name}{i}" for i, (name, _, _) in enumerate(FAMILIES)]


def test_every_family_is_here_and_has_a_batched_form() -> None:
    families = {name for name in names if isinstance(made := getattr(gen.distributions, name), type) and issubclass(made, gen.Family)}
    assert {name for name in families if name.islower()} == {name for name, _, _ in FAMILIES}
    assert all(getattr(gen, name).batches for name, _, _ in FAMILIES)


def shifted(name: str, args: tuple[Any, ...], row: int) -> tuple[Any, ...]:
    """Other arguments of the same kind, for one of several samples."""
    if name in ("categorical", "mixture"):
        probs = np.roll(args[0], row)
        return probs / probs.sum(), *args[1:]
    if name == "piecewise_uniform":
        return np.asarray(args[0]) * (1 + row), np.roll(args[1], row)
    if name in ("uniform_discrete", "binomial"):
        return args[0], args[1]
    return tuple(np.asarray(arg, dtype=float) * (1 + 0.1 * row) if np.ndim(arg) else arg * (1 + 0.1 * row) for arg in args)


def check(name: str, per_sample: list[tuple[Any, ...]], batched: tuple[Any, ...], values: list[Any], columns: bool = False) -> None:
    singles = [getattr(gen, name)(*args) for args in per_sample]
    many = np.array(values)
    together = getattr(gen, name)(*batched)
    logps = [one.logpdf(v) for one, v in zip(singles, values, strict=True)]
    each = [one.logpdf_grad(v) for one, v in zip(singles, values, strict=True)]

    def both() -> None:
        np.testing.assert_allclose(together.logpdf(many), logps, rtol=1e-12)
        d_value, d_args = together.logpdf_grad(many)
        close(d_value, [found[0] for found in each])
        for place, d_arg in enumerate(d_args):
            if columns and isinstance(batched[place], list) and d_arg is not None:
                d_arg = np.moveaxis(np.array(d_arg), [*range(len(per_sample[0][place].shape))], range(-per_sample[0][place].ndim, 0))
            close(d_arg, [found[1][place] for found in each])

    run_of(len(values), both)


def close(many: Any, each: list[Any]) -> None:
    if each[0] is None:
        assert many is None
    else:
        many = np.broadcast_to(many, np.shape(each)) if np.shape(many) != np.shape(each) else many
        np.testing.assert_allclose(np.asarray(many, dtype=float), np.array(each, dtype=float), rtol=1e-12, atol=1e-12)


def run_of(size: int, body: Any) -> None:
    """Inside a batched run, where an array of so many rows may be one row per sample."""
    gen.simulate(gen.generative(body), (), pg.stores.open("memory:"), batch=size)


@pytest.mark.parametrize(("name", "args", "values"), FAMILIES, ids=IDS)
def test_densities_are_those_of_the_samples(name: str, args: tuple[Any, ...], values: list[Any]) -> None:
    values = (values * 4)[: 4 if len(values) < 4 else len(values)]
    fixed = tuple(np.array(arg) if isinstance(arg, list) and not hasattr(arg[0], "logpdf") else arg for arg in args)
    check(name, [args] * len(values), fixed, values)


@pytest.mark.parametrize(("name", "args", "values"), FAMILIES, ids=IDS)
def test_each_sample_may_have_its_own_arguments(name: str, args: tuple[Any, ...], values: list[Any]) -> None:
    values = (values * 5)[: max(5, len(values))]
    per_sample = [shifted(name, args, row) for row in range(len(values))]
    batched = tuple(
        column[0] if name == "mixture" and place else np.array([*column]) for place, column in enumerate(zip(*per_sample, strict=True))
    )
    if name == "delta":
        values = [arg[0].tolist() if np.ndim(arg[0]) else arg[0] for arg in per_sample[:-1]] + values[-1:]
    check(name, per_sample, batched, values)


@pytest.mark.parametrize("name", ["categorical", "dirichlet", "mixture", "mvnormal", "piecewise_uniform"])
def test_lists_may_hold_one_number_per_sample(name: str) -> None:
    _, args, values = next(case for case in FAMILIES if case[0] == name)
    values = (values * 5)[:5]
    per_sample = [shifted(name, args, row) for row in range(5)]
    batched = tuple(
        column[0]
        if name == "mixture" and place
        else [list(part) if part.ndim > 1 else part for part in np.moveaxis(np.array(column), 0, -1)]
        for place, column in enumerate(zip(*per_sample, strict=True))
    )
    check(name, per_sample, batched, values, columns=True)


@gen.generative(grad=True)
def model(x: Any) -> Any:
    mean = gen.sample(gen.broadcasted_normal(np.zeros(4), gen.exp(gen.param("log_std", 0.1))), "mean")
    row = gen.sample(gen.broadcasted_normal(mean * x, gen.exp(gen.param("log_std", 0.1) * 0.5)), "row")
    probs = gen.sample(gen.dirichlet(gen.param("alpha", [1.0, 2.0, 3.0])), "probs")
    k = gen.sample(gen.categorical(probs), "k")
    up = gen.sigmoid(gen.param("logit", 0.3) + x)
    gen.sample(gen.categorical([up, 1.0 - up]), "coin")
    point = gen.sample(gen.mvnormal(gen.param("center", [0.0, 1.0]), [[1.0, 0.3], [0.3, gen.exp(gen.param("log_var", 0.2))]]), "point")
    gen.sample(gen.mixture([up, 1.0 - up], [gen.normal(0.0, 1.0), gen.cauchy(1.0, 2.0)]), "mixed")
    gen.sample(gen.delta(k), "same")
    return row.sum(-1) + point[..., 0]


def test_a_batched_run_is_its_samples() -> None:
    size = 6
    store = pg.stores.open("memory:")
    trace = gen.simulate(model, (0.4,), store, rng=0, batch=size)
    scale = np.linspace(-1.0, 2.0, size)
    rows = [{address: value[i] for address, value in trace.choices.items()} for i in range(size)]
    singles = [gen.generate(model, (0.4,), row, store, strict=True)[0] for row in rows]
    np.testing.assert_allclose(trace.score, [one.score for one in singles], rtol=1e-12)
    np.testing.assert_allclose(trace.retval, [one.retval for one in singles], rtol=1e-12)
    together = gen.param_gradients(trace, None, scale).params
    for id, grad in together.items():
        np.testing.assert_allclose(
            grad, sum(f * gen.param_gradients(one).params[id] for f, one in zip(scale, singles, strict=True)), rtol=1e-9, atol=1e-12
        )
    assert len(together) == 5
    grads = gen.choice_gradients(trace, gen.select("mean", "probs", "point"))[2]
    for address in grads:
        np.testing.assert_allclose(grads[address], [gen.choice_gradients(one)[2][address] for one in singles], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("static", [False, True])
@pytest.mark.parametrize("family", ["broadcasted_normal", "mvnormal"])
def test_one_sample_takes_no_rows(family: str, static: bool) -> None:
    @gen.generative(static=static)
    def f() -> None:
        gen.sample(getattr(gen, family)([0.0, 0.0], [[1.0, 0.0], [0.0, 1.0]] if family == "mvnormal" else 1.0), "x")

    assert gen.assess(f, (), {"x": [0.0, 0.0]})[0] == pytest.approx(-1.8378770664093453)
    with pytest.raises(UsageError, match=r"the value has shape \(3, 2\)"):
        gen.assess(f, (), {"x": np.zeros((3, 2))})
