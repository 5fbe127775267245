"""What the rules promise: bounds, variances and exact properties, beside torch's own."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import paragrad as pg
from paragrad.initializers import Dirac, HeNormal, HeUniform, LazyArray, Orthogonal, Sparse, TruncatedNormal, VarianceScaling
from paragrad.initializers.scaling import CUT_DEVIATION

SHAPE = (200, 30, 3, 3)
FAN_IN, FAN_OUT = 270, 1800


def made(rule: Any, shape: Any = SHAPE, dtype: Any = "float64", **options: Any) -> Any:
    return pg.initializer(rule, shape, dtype, seed=7, **options).materialize()


UNIFORM: list[tuple[Any, float]] = [
    (pg.initializers.Uniform(), 0.07),
    ("xavier_uniform", math.sqrt(6 / (FAN_IN + FAN_OUT))),
    (pg.initializers.XavierUniform(gain=2), 2 * math.sqrt(6 / (FAN_IN + FAN_OUT))),
    ("he_uniform", math.sqrt(6 / FAN_IN)),
    (HeUniform(mode="fan_out", nonlinearity="tanh"), 5 / 3 * math.sqrt(3 / FAN_OUT)),
    (HeUniform(negative_slope=math.sqrt(5)), math.sqrt(1 / FAN_IN)),
    (VarianceScaling(2.0, "fan_avg", "uniform"), math.sqrt(6 * 2 / (FAN_IN + FAN_OUT))),
]
NORMAL: list[tuple[Any, float]] = [
    ("normal", 0.01),
    ("xavier_normal", math.sqrt(2 / (FAN_IN + FAN_OUT))),
    ("he_normal", math.sqrt(2 / FAN_IN)),
    (HeNormal(nonlinearity="selu"), 0.75 / math.sqrt(FAN_IN)),
    (HeNormal(nonlinearity="linear", mode="fan_out"), 1 / math.sqrt(FAN_OUT)),
    (VarianceScaling(3.0, "fan_out", "normal"), math.sqrt(3 / FAN_OUT)),
]


@pytest.mark.parametrize(("rule", "bound"), UNIFORM, ids=str)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_uniform_draws_fill_their_interval(rule: Any, bound: float, dtype: str) -> None:
    drawn = made(rule, dtype=dtype).astype("float64")
    assert np.abs(drawn).max() <= bound * (1 + 1e-3)
    assert np.abs(drawn).max() > bound * 0.999
    assert drawn.std() == pytest.approx(bound / math.sqrt(3), rel=0.02)
    assert abs(drawn.mean()) < 4 * bound / math.sqrt(3 * drawn.size)


@pytest.mark.parametrize(("rule", "std"), NORMAL, ids=str)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_normal_draws_have_their_deviation(rule: Any, std: float, dtype: str) -> None:
    drawn = made(rule, dtype=dtype).astype("float64")
    assert drawn.std() == pytest.approx(std, rel=0.02)
    assert np.mean(np.abs(drawn) < std) == pytest.approx(0.6827, abs=0.01)


PAIRS: list[tuple[Any, Callable[[Any], Any]]] = [
    ("xavier_uniform", lambda init: init.xavier_uniform_),
    ("xavier_normal", lambda init: init.xavier_normal_),
    ("he_uniform", lambda init: lambda w: init.kaiming_uniform_(w, nonlinearity="relu")),
    ("he_normal", lambda init: lambda w: init.kaiming_normal_(w, nonlinearity="relu")),
    (TruncatedNormal(1.0, 0.5, -1.0, 1.5), lambda init: lambda w: init.trunc_normal_(w, 0.5, 1.0, -1.0, 1.5)),
]


@pytest.mark.parametrize(("rule", "of_torch"), PAIRS, ids=[str(rule) for rule, _ in PAIRS])
def test_the_distributions_are_torchs(rule: Any, of_torch: Callable[[Any], Any]) -> None:
    torch = pytest.importorskip("torch")
    weight = torch.empty(SHAPE, dtype=torch.float64)
    torch.manual_seed(0)
    of_torch(torch.nn.init)(weight)
    ours, theirs = np.sort(made(rule).ravel()), np.sort(weight.numpy().ravel())
    width = theirs[-1] - theirs[0]
    quantiles = np.linspace(0.02, 0.98, 25)
    assert np.abs(np.quantile(ours, quantiles) - np.quantile(theirs, quantiles)).max() < 0.01 * width


@pytest.mark.parametrize(("a", "b"), [(-2.0, 2.0), (0.5, 0.6), (3.0, 9.0), (-9.0, -6.0), (8.0, 8.1), (-0.1, 0.1)])
def test_truncated_draws_stay_inside_and_follow_the_density(a: float, b: float) -> None:
    drawn = made(TruncatedNormal(1.0, 0.0, a, b), 40_000)
    assert drawn.min() >= a
    assert drawn.max() <= b
    density = np.exp(-(np.linspace(a, b, 20_001) ** 2 - min(a * a, b * b) * (a * b > 0)) / 2)
    mean = float((np.linspace(a, b, 20_001) * density).sum() / density.sum())
    assert drawn.mean() == pytest.approx(mean, abs=0.02 * (b - a))


def test_truncated_variance_scaling_is_cut_and_corrected() -> None:
    std = math.sqrt(1 / FAN_IN)
    drawn = made("variance_scaling")
    assert drawn.std() == pytest.approx(std, rel=0.02)
    assert np.abs(drawn).max() <= 2 * std / CUT_DEVIATION


@pytest.mark.parametrize("shape", [(5, 5), (3, 8), (8, 3), (4, 2, 3)])
def test_orthogonal_rows_or_columns(shape: tuple[int, ...]) -> None:
    q = made(Orthogonal(gain=3), shape).reshape(shape[0], -1)
    product = q @ q.T if q.shape[0] <= q.shape[1] else q.T @ q
    assert np.allclose(product, 9 * np.eye(len(product)), atol=1e-12)


def test_orthogonal_matrices_are_equally_likely_both_ways() -> None:
    signs = [made_with(seed).item() for seed in range(64)]
    assert {-1.0, 1.0} == set(signs)


def made_with(seed: int) -> Any:
    return pg.initializer("orthogonal", (1, 1), "float64", seed=seed).materialize()


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("shape", [(6, 4, 3), (4, 2, 3, 4), (2, 6, 3, 1, 5)])
def test_dirac_and_identity_are_torchs(shape: tuple[int, ...], groups: int) -> None:
    torch = pytest.importorskip("torch")
    assert np.array_equal(made(Dirac(groups), shape), torch.nn.init.dirac_(torch.empty(shape), groups).numpy())
    assert np.array_equal(made("identity", shape[:2]), torch.nn.init.eye_(torch.empty(shape[:2])).numpy())


@pytest.mark.parametrize(("sparsity", "cleared"), [(0.0, 0), (0.1, 1), (0.5, 5), (0.51, 6), (1.0, 10)])
def test_sparse_clears_the_same_count_in_every_column(sparsity: float, cleared: int) -> None:
    drawn = made(Sparse(sparsity), (10, 500))
    assert np.array_equal((drawn == 0).sum(axis=0), np.full(500, cleared))
    if 0 < sparsity < 1:
        assert len({tuple(np.flatnonzero(column == 0)) for column in drawn.T}) > 9  # other rows in other columns
        assert drawn[drawn != 0].std() == pytest.approx(0.01, rel=0.1)


def test_constants_and_given_arrays() -> None:
    assert made("zeros", 3).tolist() == [0, 0, 0]
    assert made("ones", (1, 2), "int8").tolist() == [[1, 1]]
    assert made(2.5, ()).item() == 2.5
    assert made("constant", 2, value=-1).tolist() == [-1, -1]
    assert made("ones", 2, bool).tolist() == [True, True]
    source = np.arange(3, dtype=np.float32)
    given = pg.initializer(source)
    source += 5
    assert given.materialize().tolist() == [0, 1, 2]
    assert given.dtype == "float32"


def test_a_rule_that_writes_everything_gets_every_element(monkeypatch: pytest.MonkeyPatch) -> None:
    """No element keeps what happened to be in memory."""
    empty = np.empty
    monkeypatch.setattr(
        np, "empty", lambda shape, dtype=float: np.full(shape, np.nan, dtype) if np.dtype(dtype).kind == "f" else empty(shape, dtype)
    )
    for name in pg.initializers.names():
        options: dict[str, Any] = {"constant": {"value": 3}, "sparse": {"sparsity": 0.3}}.get(name, {})
        lazy: LazyArray = pg.initializer(name, (4, 6, 3) if name == "dirac" else (4, 6), "float32", seed=1, **options)
        assert not np.isnan(lazy.materialize()).any(), name
