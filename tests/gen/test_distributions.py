"""Every distribution: density against torch, gradients against finite differences, samplers against their densities."""

from __future__ import annotations

import math
from random import Random
from typing import Any

import numpy as np
import pytest

from paragrad import gen
from paragrad.errors import UsageError

COV = [[2.0, 0.3], [0.3, 0.5]]
# name, arguments, values inside the support, values outside it, (torch name, torch arguments) or None
CASES: list[tuple[str, tuple[Any, ...], list[Any], list[Any], Any]] = [
    ("normal", (0.5, 1.3), [-1.0, 0.5, 4.0], [], ("Normal", (0.5, 1.3))),
    ("lognormal", (0.2, 0.7), [0.1, 1.0, 5.0], [0.0, -1.0], ("LogNormal", (0.2, 0.7))),
    ("laplace", (0.5, 1.5), [-2.0, 0.4, 3.0], [], ("Laplace", (0.5, 1.5))),
    ("cauchy", (0.5, 1.5), [-20.0, 0.4, 3.0], [], ("Cauchy", (0.5, 1.5))),
    ("uniform", (-1.0, 2.5), [-0.9, 0.0, 2.4], [-1.1, 2.6], ("Uniform", (-1.0, 2.5))),
    ("uniform_discrete", (2, 6), [2, 4, 6], [1, 7, 3.5], None),
    ("piecewise_uniform", ([0.0, 1.0, 3.0], [0.25, 0.75]), [0.5, 2.0], [-0.1, 3.1], None),
    ("exponential", (1.7,), [0.1, 2.0], [-0.5], ("Exponential", (1.7,))),
    ("gamma", (2.3, 1.4), [0.1, 2.0, 9.0], [-0.5], ("Gamma", (2.3, 1 / 1.4))),
    ("gamma", (0.6, 1.4), [0.1, 2.0], [-0.5], ("Gamma", (0.6, 1 / 1.4))),
    ("inv_gamma", (2.3, 1.4), [0.1, 2.0], [0.0, -0.5], ("InverseGamma", (2.3, 1.4))),
    ("beta", (2.3, 0.8), [0.1, 0.9], [0.0, 1.0, 1.5], ("Beta", (2.3, 0.8))),
    ("beta_uniform", (0.4, 2.0, 5.0), [0.1, 0.9], [-0.1, 1.5], None),
    ("dirichlet", ([1.5, 0.7, 3.0],), [[0.2, 0.3, 0.5]], [[0.2, 0.2, 0.2]], ("Dirichlet", ([1.5, 0.7, 3.0],))),
    ("bernoulli", (0.3,), [True, False, 1, 0], [2], ("Bernoulli", (0.3,))),
    ("binomial", (7, 0.3), [0, 3, 7], [-1, 8, 2.5], ("Binomial", (7, 0.3))),
    ("geometric", (0.3,), [0, 3, 12], [-1, 2.5], ("Geometric", (0.3,))),
    ("neg_binomial", (2.5, 0.3), [0, 3, 12], [-1, 2.5], ("NegativeBinomial", (2.5, 0.7))),
    ("poisson", (3.4,), [0, 3, 12], [-1, 2.5], ("Poisson", (3.4,))),
    ("categorical", ([0.2, 0.5, 0.3],), [0, 1, 2], [3, -1, 0.5], ("Categorical", ([0.2, 0.5, 0.3],))),
    ("broadcasted_normal", ([[0.0], [1.0]], [0.5, 2.0]), [[[0.3, 1.0], [-1.0, 2.0]]], [], ("Normal", ([[0.0], [1.0]], [0.5, 2.0]))),
    ("mvnormal", ([0.5, -1.0], COV), [[0.3, 1.0]], [], ("MultivariateNormal", ([0.5, -1.0], COV))),
]
NAMES = [f"{case[0]}{i}" for i, case in enumerate(CASES)]
SCALAR = [case for case in CASES if isinstance(case[1][0], float | int)]
cases = pytest.mark.parametrize(("name", "args", "inside", "outside", "peer"), CASES, ids=NAMES)


def made(name: str, args: tuple[Any, ...]) -> Any:
    return getattr(gen, name)(*args)


@cases
def test_densities_are_torch_s(name: str, args: tuple[Any, ...], inside: list[Any], outside: list[Any], peer: Any) -> None:
    torch = pytest.importorskip("torch")
    ours = made(name, args)
    if peer is not None:
        numbers = [torch.tensor(arg, dtype=torch.float64) for arg in peer[1]]
        theirs = getattr(torch.distributions, peer[0])(*numbers)
        for value in inside:
            expected = float(theirs.log_prob(torch.tensor(value, dtype=torch.float64)).sum())
            assert ours.logpdf(value) == pytest.approx(expected, rel=1e-9, abs=1e-12)
    for value in outside:
        assert ours.logpdf(value) == -math.inf


def moved(numbers: Any, place: tuple[int, ...], step: float) -> Any:
    array = np.array(numbers, dtype=float)
    array[place] += step
    return array if array.ndim else float(array)


def slopes_by_difference(function: Any, numbers: Any) -> Any:
    """Central differences in every entry."""
    array = np.array(numbers, dtype=float)
    found = np.zeros_like(array)
    for place in np.ndindex(array.shape):
        found[place] = (function(moved(array, place, 1e-6)) - function(moved(array, place, -1e-6))) / 2e-6
    return found


class Free:
    """Probabilities and covariances as free numbers, which the checks of a family would refuse."""

    @staticmethod
    def categorical(value: int, probs: Any) -> float:
        return float(np.log(probs[value]))

    @staticmethod
    def piecewise_uniform(value: float, bounds: Any, probs: Any) -> float:
        at = int(np.searchsorted(bounds, value)) - 1
        return float(np.log(probs[at] / (bounds[at + 1] - bounds[at])))

    @staticmethod
    def mvnormal(value: Any, mean: Any, cov: Any) -> float:
        away, cov = np.asarray(value) - mean, np.asarray(cov)
        return float(-0.5 * away @ np.linalg.solve(cov, away) - 0.5 * np.log(np.linalg.det(2 * math.pi * cov)))

    @staticmethod
    def dirichlet(value: Any, alpha: Any) -> float:
        value, alpha = np.asarray(value), np.asarray(alpha)
        return float(((alpha - 1) * np.log(value)).sum()) + math.lgamma(alpha.sum()) - sum(map(math.lgamma, alpha))


@cases
def test_gradients_are_finite_differences(name: str, args: tuple[Any, ...], inside: list[Any], outside: list[Any], peer: Any) -> None:
    ours = made(name, args)
    density = getattr(Free, name, ours.log_density)
    for value in inside:
        d_value, d_args = ours.logpdf_grad(value)
        assert len(d_args) == len(args)
        assert (d_value is not None) == ours.differentiable
        assert density(value, *args) == pytest.approx(ours.logpdf(value), rel=1e-9)
        if d_value is not None:
            np.testing.assert_allclose(d_value, slopes_by_difference(lambda v: density(v, *args), value), rtol=2e-6, atol=1e-7)
        for i, d_arg in enumerate(d_args):
            if d_arg is not None:
                found = slopes_by_difference(lambda a, i=i, value=value: density(value, *args[:i], a, *args[i + 1 :]), args[i])
                np.testing.assert_allclose(d_arg, found, rtol=2e-6, atol=1e-7)


@cases
def test_gradients_outside_the_support_are_zero(name: str, args: tuple[Any, ...], inside: list[Any], outside: list[Any], peer: Any) -> None:
    for value in outside:
        d_value, d_args = made(name, args).logpdf_grad(value)
        assert np.all(np.asarray(0.0 if d_value is None else d_value) == 0)
        assert all(np.all(np.asarray(d) == 0) for d in d_args if d is not None)


@pytest.mark.parametrize(("name", "args", "inside", "outside", "peer"), [c for c in SCALAR if c[0] != "beta_uniform"])
def test_arrays_are_the_floats_entry_by_entry(name: str, args: tuple[Any, ...], inside: list[Any], outside: list[Any], peer: Any) -> None:
    ours, values = made(name, args), np.array([*inside, *outside], dtype=float)
    np.testing.assert_allclose(ours.logpdf(values), [ours.logpdf(v) for v in [*inside, *outside]], rtol=1e-12)
    spread = made(name, tuple(np.full(len(values), arg) for arg in args))
    np.testing.assert_allclose(spread.logpdf(values), ours.logpdf(values), rtol=1e-12)
    many, each = spread.logpdf_grad(values), [ours.logpdf_grad(float(v)) for v in values]
    for i, d_arg in enumerate(many[1]):
        if d_arg is not None:
            np.testing.assert_allclose(np.broadcast_to(d_arg, values.shape), [one[1][i] for one in each], rtol=1e-12)
    if many[0] is not None:
        np.testing.assert_allclose(np.broadcast_to(many[0], values.shape), [one[0] for one in each], rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "args", "said"),
    [
        ("normal", (0.0, -1.0), "normal: std is -1.0; it must be positive"),
        ("normal", (0.0, math.nan), "normal: std is nan"),
        ("gamma", (2.0, 0.0), "gamma: scale is 0.0"),
        ("beta", (-1.0, 1.0), "beta: alpha is -1.0"),
        ("bernoulli", (1.2,), "bernoulli: p is 1.2; it must be between 0 and 1"),
        ("binomial", (2.5, 0.5), "binomial: n is 2.5; it must be an integer"),
        ("geometric", (0.0,), "geometric: p is 0.0; it must be above 0"),
        ("uniform", (1.0, 1.0), "low must be below high"),
        ("uniform_discrete", (3, 1), "low <= high"),
        ("categorical", ([0.5, 0.6],), "adds up to 1.1"),
        ("categorical", ([],), "adds up to 0"),
        ("piecewise_uniform", ([0.0, 0.0, 1.0], [0.5, 0.5]), "it must rise"),
        ("dirichlet", ([1.0, 0.0],), "dirichlet: alpha"),
        ("mvnormal", ([0.0, 0.0], [[1.0, 2.0], [2.0, 1.0]]), "not positive definite"),
        ("mvnormal", ([0.0], [[1.0, 2.0], [2.0, 1.0]]), "must be (d,) and (d, d)"),
        ("broadcasted_normal", ([0.0, 1.0], [1.0, 2.0, 3.0]), "do not fit together"),
    ],
)
def test_a_wrong_argument_is_named(name: str, args: tuple[Any, ...], said: str) -> None:
    ours = made(name, args)
    for use in (lambda: ours.sample(Random(0)), lambda: ours.logpdf([0.0, 0.0] if name == "mvnormal" else 1.0)):
        with pytest.raises(UsageError) as caught:
            use()
        assert said in str(caught.value)


def test_a_value_of_another_type_and_a_wrong_number_of_arguments_are_named() -> None:
    with pytest.raises(UsageError, match=r"'abc' \(str\) cannot be a value of normal\(0.0, 1.0\)"):
        gen.normal(0.0, 1.0).logpdf("abc")
    with pytest.raises(UsageError, match=r"gamma takes \(shape, scale\), not 1 arguments"):
        gen.gamma(1.0)
    with pytest.raises(UsageError, match="mvnormal: the value has shape"):
        gen.mvnormal([0.0, 0.0], COV).logpdf([1.0])


def test_zero_and_one_probabilities_are_probabilities() -> None:
    assert gen.bernoulli(0.0).logpdf(False) == 0.0
    assert gen.bernoulli(1.0).logpdf(False) == -math.inf
    assert gen.binomial(3, 1.0).logpdf(3) == 0.0
    assert gen.geometric(1.0).logpdf(0) == 0.0
    assert gen.geometric(1.0).sample(Random(0)) == 0
    assert gen.categorical([1.0, 0.0]).logpdf(1) == -math.inf


def test_delta_and_mixture() -> None:
    assert gen.delta("a").sample(Random(0)) == "a"
    assert gen.delta("a").logpdf("a") == 0.0
    assert gen.delta("a").logpdf("b") == -math.inf
    assert gen.delta(np.ones(2)).logpdf(np.ones(2)) == 0.0
    parts = [gen.normal(-1.0, 0.5), gen.normal(2.0, 1.0)]
    mixed = gen.mixture([0.3, 0.7], parts)
    assert mixed.logpdf(0.2) == pytest.approx(math.log(0.3 * math.exp(parts[0].logpdf(0.2)) + 0.7 * math.exp(parts[1].logpdf(0.2))))
    d_value, (d_probs, _) = mixed.logpdf_grad(0.2)
    assert d_value == pytest.approx((mixed.logpdf(0.2 + 1e-6) - mixed.logpdf(0.2 - 1e-6)) / 2e-6, rel=1e-6)
    assert d_probs[0] == pytest.approx(math.exp(parts[0].logpdf(0.2) - mixed.logpdf(0.2)))


def test_tracked_arguments_are_read() -> None:
    class Tracked:
        value = 2.0

    assert gen.normal(Tracked(), 1.0).logpdf(2.5) == gen.normal(2.0, 1.0).logpdf(2.5)
    assert repr(gen.normal(Tracked(), 1.0)) == "normal(2.0, 1.0)"
