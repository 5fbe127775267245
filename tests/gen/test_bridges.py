"""Bodies that use PyTorch, numpy's functions, or Variables of the graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import paragrad as pg
from paragrad import gen
from paragrad.errors import UsageError


def check(f: Any, args: tuple[Any, ...], store: Any, step: float = 1e-6) -> None:
    """Parameter gradients of a function that marks its return value, against differences."""
    trace = gen.simulate(f, args, store, rng=0)
    gen.accumulate_param_gradients(trace, 1.0)
    for id in trace.versions:
        value, found = store.get_parameter_value(id), np.asarray(store.get_gradient(id))
        for place in np.ndindex(found.shape):
            ends = []
            for side in (step, -step):
                moved = np.array(value, dtype=float)
                moved[place] += side
                store.set_parameter_value(id, moved if found.shape else float(moved))
                score, retval = gen.assess(f, args, trace.choices, store)
                ends.append(score + retval)
            store.set_parameter_value(id, value)
            assert found[place] == pytest.approx((ends[0] - ends[1]) / (2 * step), abs=1e-6)


BODIES: dict[str, Callable[[Any, Any, Any], Any]] = {
    "arithmetic": lambda w, m, x: (w * 2 - 1) @ w + (1 - w / x) @ (w / 2) + (-w).sum() + abs(w).mean() + (x / w).sum() + (2.0**w).sum(),
    "powers": lambda w, m, x: ((w**2) ** 1.5).sum() + (abs(w) ** w).sum() + w[1] ** 3 + 3 % abs(w[0]) + (w % (abs(w[1]) + 0.15)).sum(),
    "indexing": lambda w, m, x: w[0] * w[-1] + w[:2].sum() + m[1, 0] * m[:, 1].sum() + sum(w) + len(w),
    "products": lambda w, m, x: (m @ w[:2]).sum() + w[:2] @ m @ w[:2] + (m @ m.T).sum() + np.dot(m, w[:2]).sum() + x @ w,
    "numpy": lambda w, m, x: (
        np.exp(w).sum()
        + np.sum(np.tanh(w) * x)
        + np.maximum(w, 0.1).sum()
        + np.where(x > 0, w, w * 3).mean()
        + np.sum(np.square(m), axis=0) @ w[:2]
    ),
    "arrays on the left": lambda w, m, x: (x + w).sum() + (x - w).sum() * 2 + (x * w).sum() + (x / w).sum() + (x**2 / np.exp(w)).mean(),
    "functions": lambda w, m, x: (
        gen.log(abs(w)).sum()
        + gen.sqrt(gen.exp(w)).sum()
        + gen.softplus(w).sum()
        + gen.logsumexp(w)
        + gen.sin(w[0]) * gen.cos(w[1])
        + gen.log1p(w * w).sum()
    ),
    "stacks": lambda w, m, x: (
        (gen.stack([w[0], w[1] * 2, 1.0]) @ w) + gen.stack([w[:2], w[1:]]).reshape(4)[3] + m.mean(axis=1) @ w[:2] + gen.logsumexp(m).sum()
    ),
}


@pytest.mark.parametrize("name", BODIES)
def test_arrays_differentiate_like_numbers(name: str) -> None:
    x = np.array([0.4, -1.3, 2.0])

    @gen.generative(grad=("return",))
    def f() -> Any:
        w, m = gen.param("w", np.array([0.7, -0.4, 1.2])), gen.param("m", np.array([[1.0, 0.3], [-0.5, 2.0]]))
        return BODIES[name](w, m, x)

    check(f, (), pg.stores.open("memory:"))


def test_vector_distributions_take_tracked_arrays() -> None:
    @gen.generative(grad=("return",))
    def f() -> Any:
        mean = gen.param("mean", [0.5, -0.5])
        z = gen.sample(gen.broadcasted_normal(np.tanh(mean), 0.7), "z")
        k = gen.sample(gen.categorical([0.2, gen.sigmoid(mean[0]) * 0.8, 0.8 - gen.sigmoid(mean[0]) * 0.8]), "k")
        return z @ mean + k * mean[1]

    check(f, (), pg.stores.open("memory:"))


def test_a_torch_function_is_one_node() -> None:
    torch = pytest.importorskip("torch")

    @gen.from_torch
    def layer(w: Any, b: Any, x: Any) -> Any:
        return torch.tanh(w @ x + b).sum()

    @gen.generative(grad=("return",))
    def f(x: Any) -> Any:
        mean = layer(gen.param("w", np.array([[0.5, -0.2], [0.1, 0.9]])), gen.param("b", 0.3), x)
        return gen.sample(gen.normal(mean, 1.0), "y") * mean

    x = np.array([1.0, -2.0])
    check(f, (x,), pg.stores.open("memory:"))
    assert isinstance(layer(np.eye(2), 0.0, x), float)
    with pytest.raises(UsageError, match="no tensor"):
        gen.from_torch(lambda x: 3)(1.0)


def test_variables_of_the_graph_pass_through_a_body() -> None:
    scale = pg.Variable(2.0, requires_grad=True)

    @gen.generative
    def f(x: Any) -> Any:
        return gen.sample(gen.normal(x * 1.0, 1.0), "z") * scale

    trace, weight = gen.generate(f, (pg.Variable(0.5),), {"z": 1.5})
    assert weight == pytest.approx(-0.5 - 0.9189385332046727)
    trace.retval.backward()
    (found,) = scale.grad
    assert found.value == 1.5
