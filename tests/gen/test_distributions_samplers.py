"""Samplers follow their densities: goodness-of-fit tests with fixed seeds, for single draws and for batches."""

from __future__ import annotations

import math
from collections import Counter
from random import Random
from typing import Any

import numpy as np
import pytest

from paragrad import gen

N = 4000
CONTINUOUS: list[tuple[str, tuple[Any, ...], float, float]] = [
    # name, arguments, and where the density is summed up
    ("normal", (0.5, 1.3), -9.0, 10.0),
    ("lognormal", (0.2, 0.7), 1e-9, 60.0),
    ("laplace", (0.5, 1.5), -40.0, 41.0),
    ("cauchy", (0.0, 1.0), -3e4, 3e4),
    ("uniform", (-1.0, 2.5), -1.0, 2.5),
    ("piecewise_uniform", ([0.0, 1.0, 3.0], [0.25, 0.75]), 0.0, 3.0),
    ("exponential", (1.7,), 0.0, 25.0),
    ("gamma", (2.3, 1.4), 1e-9, 60.0),
    ("gamma", (0.6, 1.4), 1e-12, 60.0),
    ("inv_gamma", (2.3, 1.4), 1e-3, 2000.0),
    ("beta", (2.3, 0.8), 1e-9, 1.0 - 1e-12),
    ("beta_uniform", (0.4, 2.0, 5.0), 0.0, 1.0),
    ("mixture", ([0.3, 0.7], [gen.normal(-1.0, 0.5), gen.normal(2.0, 1.0)]), -6.0, 9.0),
]
DISCRETE: list[tuple[str, tuple[Any, ...]]] = [
    ("uniform_discrete", (2, 6)),
    ("bernoulli", (0.3,)),
    ("binomial", (7, 0.3)),
    ("binomial", (90, 0.8)),
    ("geometric", (0.3,)),
    ("neg_binomial", (2.5, 0.3)),
    ("poisson", (3.4,)),
    ("poisson", (70.0,)),
    ("categorical", ([0.2, 0.5, 0.3],)),
]


def draws(name: str, args: tuple[Any, ...], batched: bool) -> Any:
    made = getattr(gen, name)(*args)
    if batched:
        return made.sample_many(np.random.default_rng(3), N)
    rng = Random(3)
    return [made.sample(rng) for _ in range(N)]


def cumulated(name: str, args: tuple[Any, ...], low: float, high: float) -> tuple[Any, Any]:
    """The distribution function on a grid, by summing the density; it must end at 1."""
    made = getattr(gen, name)(*args)
    if name == "cauchy":
        grid = np.tan(np.linspace(math.atan(low), math.atan(high), 60_001))
    elif low > 0:
        near = np.geomspace(low, min(1.0, high / 2), 60_001)
        grid = np.concatenate(
            [near[:-1], high - np.geomspace(high - near[-1], 1e-12, 60_001) if name == "beta" else np.geomspace(near[-1], high, 60_001)]
        )
    else:
        grid = np.linspace(low, high, 60_001)
    middle = (grid[1:] + grid[:-1]) / 2
    density = made.logpdf(middle) if made.batches else np.array([made.logpdf(float(v)) for v in middle])
    sums = np.concatenate([[0.0], np.cumsum(np.exp(density) * np.diff(grid))])
    return grid, sums


@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize(("name", "args", "low", "high"), CONTINUOUS)
def test_draws_follow_the_density(name: str, args: tuple[Any, ...], low: float, high: float, batched: bool) -> None:
    """Kolmogorov and Smirnov's distance at the level of one in a thousand."""
    grid, sums = cumulated(name, args, low, high)
    assert sums[-1] == pytest.approx(1.0, abs=2e-3)
    at = np.interp(np.sort(draws(name, args, batched)), grid, sums)
    ranks = np.arange(1, N + 1) / N
    assert max(np.max(ranks - at), np.max(at - ranks + 1 / N)) < 1.95 / math.sqrt(N) + 2e-3


@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize(("name", "args"), DISCRETE)
def test_counts_follow_the_mass(name: str, args: tuple[Any, ...], batched: bool) -> None:
    """Pearson's statistic stays below its mean by four deviations' length."""
    made = getattr(gen, name)(*args)
    found = Counter(int(v) for v in draws(name, args, batched))
    values = range(max(found) + 40)
    expected = {v: N * math.exp(made.logpdf(v)) for v in values}
    assert sum(expected.values()) == pytest.approx(N, rel=1e-6)
    likely = [v for v in values if expected[v] >= 5]
    statistic = sum((found[v] - expected[v]) ** 2 / expected[v] for v in likely)
    rest = N - sum(expected[v] for v in likely)
    if rest >= 1:
        statistic += (N - sum(found[v] for v in likely) - rest) ** 2 / rest
    freedom = len(likely) - (rest < 1)
    assert statistic < freedom + 4 * math.sqrt(2 * freedom)


@pytest.mark.parametrize("batched", [False, True])
def test_arrays_have_their_moments(batched: bool) -> None:
    cov = np.array([[2.0, 0.3], [0.3, 0.5]])
    rng, many = Random(5), np.random.default_rng(5)

    def drawn(made: Any) -> Any:
        return made.sample_many(many, N) if batched else np.array([made.sample(rng) for _ in range(N)])

    rows = drawn(gen.mvnormal([1.0, -1.0], cov))
    np.testing.assert_allclose(rows.mean(0), [1.0, -1.0], atol=0.09)
    np.testing.assert_allclose(np.cov(rows.T), cov, atol=0.15)
    shares = drawn(gen.dirichlet([1.5, 0.5, 3.0]))
    np.testing.assert_allclose(shares.mean(0), [0.3, 0.1, 0.6], atol=0.02)
    np.testing.assert_allclose(shares.sum(1), 1.0)
    grid = drawn(gen.broadcasted_normal([[0.0], [5.0]], [1.0, 2.0]))
    np.testing.assert_allclose(grid.mean(0), [[0.0, 0.0], [5.0, 5.0]], atol=0.13)
    np.testing.assert_allclose(grid.std(0), [[1.0, 2.0], [1.0, 2.0]], rtol=0.06)


def test_a_batch_may_have_one_argument_per_sample() -> None:
    means = np.repeat([-5.0, 5.0], 500)
    drawn = gen.normal(means, 1.0).sample_many(np.random.default_rng(0), 1000)
    up = np.repeat([[0.9, 0.1], [0.2, 0.8]], 500, axis=0)
    picked = gen.categorical(up).sample_many(np.random.default_rng(0), 1000)
    assert [picked[:500].mean(), picked[500:].mean()] == pytest.approx([0.1, 0.8], abs=0.05)
    mixed = gen.mixture(up, [gen.normal(0.0, 1.0), gen.normal(means, 1.0)]).sample_many(np.random.default_rng(0), 1000)
    assert [mixed[:500].mean(), mixed[500:].mean()] == pytest.approx([-0.5, 4.0], abs=0.3)
    assert drawn.shape == (1000,)
    assert drawn[:500].mean() == pytest.approx(-5.0, abs=0.2)
    assert drawn[500:].mean() == pytest.approx(5.0, abs=0.2)


def test_the_same_seed_draws_the_same() -> None:
    for name, args, *_ in CONTINUOUS:
        made = getattr(gen, name)(*args)
        assert made.sample(Random(7)) == made.sample(Random(7))
