"""Functions of arrays: every rule agrees with finite differences, first and second order, and values with numpy's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from paragrad import Variable, ops, registry
from paragrad.testing.grads import check_grads


def of(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).uniform(0.5, 2.0, shape)


def squared(x: Any) -> Any:
    """A scalar whose gradient differs by element."""
    return ops.sum(ops.square(x) * np.arange(1.0, 1.0 + np.size(x.value)).reshape(np.shape(x.value)))


A, B = of(2, 3), of(3, seed=1)
CASES: dict[str, tuple[Callable[..., Any], list[Any]]] = {
    **{
        name: (lambda x, name=name: squared(getattr(ops, name)(x)), [A])
        for name in ("cos", "exp", "expm1", "log", "log1p", "sigmoid", "sin", "sqrt", "tanh")
    },
    "exp of a number": (lambda x: ops.exp(x) * ops.sqrt(x), [1.5]),
    "maximum": (lambda a, b: squared(ops.maximum(a, b)), [A, B]),
    "minimum": (lambda a, b: squared(ops.minimum(a, b)), [A, B]),
    "where": (lambda a, b: squared(ops.where(A > 1.0, a, b)), [A, B]),
    "where of a list": (lambda a, b: squared(ops.where([True, False, True], a, b)), [A, B]),
    "maximum of a list": (lambda a: squared(ops.maximum(a, [0.8, 1.1, 1.5])), [A]),
    "clip": (lambda a: squared(ops.clip(a, 0.8, 1.5)), [A]),
    "std": (lambda a: squared(np.std(a, axis=1)), [A]),
    "outer": (lambda a, b: squared(np.outer(a, b)), [A, B]),
    "hstack": (lambda a, b: squared(np.hstack([a, b])) + squared(np.hstack([b[:, 0], b[:, 0] * 2.0])), [A, of(2, 1)]),
    "vstack": (lambda a, b: squared(np.vstack([a, b])), [A, B]),
    "logarithms": (lambda a: squared(np.log2(a) + np.log10(a)), [A]),
    "concatenate flat": (lambda a, b: squared(np.concatenate([a, b], axis=None)), [A, B]),
    "named bounds": (lambda a: squared(np.clip(a, a_min=0.8, a_max=None)) + squared(a.clip(max=1.1)), [A]),
    "astype": (lambda a: squared(a.astype("float64")), [A]),
    "sum": (lambda a: squared(ops.sum(a, 0)) * ops.sum(a, (0, 1)), [A]),
    "sum kept": (lambda a: squared(a * ops.sum(a, -1, keepdims=True)), [A]),
    "mean": (lambda a: squared(a - ops.mean(a, 1, keepdims=True)) * ops.mean(a), [A]),
    "max": (lambda a: squared(ops.max(a, 1)) * ops.max(a), [A]),
    "min": (lambda a: squared(ops.min(a, 0, keepdims=True)), [A]),
    "var": (lambda a: squared(ops.var(a, 1)), [A]),
    "logsumexp": (lambda a: squared(ops.logsumexp(a, 0)) * ops.logsumexp(a), [A]),
    "softmax": (lambda a: squared(ops.softmax(a)), [A]),
    "reshape": (lambda a: squared(ops.reshape(a, (3, -1)) @ a), [A]),
    "transpose": (lambda a: squared(ops.transpose(a, (2, 0, 1))), [of(2, 1, 3)]),
    "swapaxes": (lambda a: squared(ops.swapaxes(a, 0, 1) @ a), [A]),
    "squeeze": (lambda a: squared(ops.squeeze(ops.expand_dims(a, -1))), [A]),
    "concatenate": (lambda a, b: squared(ops.concatenate([a, b * b, A], axis=1)), [A, of(2, 1)]),
    "stack": (lambda x, y: squared(ops.stack([x, y, x * y])), [1.5, 2.0]),
    "sums and products": (lambda a, b: squared(ops.divide(ops.subtract(ops.multiply(ops.add(a, b), a), b), b)), [A, B]),
    "of a list": (lambda a, y: squared(ops.power(ops.abs(ops.negative(y)), 2) + ops.multiply(a, y)), [A, [0.5, 1.5, 2.0]]),
    "products of matrices": (lambda a, b: squared(ops.matmul(a, b)) * ops.sum(ops.dot(2.0, ops.dot(a, b))), [A, B]),
    "joined, spread": (lambda a, b: squared(ops.std(ops.vstack([a, b]), 0)) + squared(ops.ravel(ops.hstack([a, a]))), [A, B]),
    "power of an array": (lambda a, y: squared(a**y), [A, 1.3]),
}


@pytest.mark.parametrize("name", CASES)
def test_rules_agree_with_finite_differences(name: str) -> None:
    fn, args = CASES[name]
    check_grads(fn, args, order=2)


NUMPY: dict[str, tuple[Any, ...]] = {
    "clip": (A, 0.8, 1.5), "concatenate": ([A, A], 1), "cos": (A,), "exp": (A,), "expand_dims": (A, 1), "expm1": (A,), "log": (A,), "log1p": (A,),
    "max": (A, 1), "maximum": (A, B), "mean": (A, 1), "min": (A, 0), "minimum": (A, B), "reshape": (A, (3, 2)), "sin": (A,), "sqrt": (A,),
    "square": (A,), "squeeze": (of(1, 3, 1),), "stack": ([A, A], 1), "sum": (A, (0, 1)), "swapaxes": (A, 0, 1), "tanh": (A,), "transpose": (A,),
    "var": (A, 0), "where": (A > 1.0, A, B), "abs": (-A,), "add": (A, B), "divide": (A, B), "dot": (A, B), "hstack": ([A, A],), "log10": (A,),
    "log2": (A,), "matmul": (A, A.T), "multiply": (A, B), "negative": (A,), "outer": (B, B), "power": (A, 2), "ravel": (A,), "std": (A, 1),
    "subtract": (A, B), "vstack": ([A, B],),
}  # fmt: skip


@pytest.mark.parametrize("name", NUMPY)
def test_values_are_numpys_on_plain_values_and_on_variables(name: str) -> None:
    first, *rest = NUMPY[name]
    wanted = getattr(np, name)(first, *rest)
    variable = [Variable(x, requires_grad=True) for x in first] if isinstance(first, list) else Variable(first, requires_grad=True)
    assert np.allclose(getattr(ops, name)(first, *rest), wanted)
    assert np.allclose(getattr(ops, name)(variable, *rest).value, wanted)


def test_equal_elements_share_a_gradient() -> None:
    x = Variable(np.array([2.0, 1.0, 2.0]), requires_grad=True)
    ops.max(x).backward()
    assert x.grad[0].value.tolist() == [0.5, 0.0, 0.5]
    a, b = Variable(1.0, requires_grad=True), Variable(1.0, requires_grad=True)
    ops.maximum(a, b).backward()
    assert (a.grad[0].value, b.grad[0].value) == (0.5, 0.5)


def test_no_overflow() -> None:
    assert ops.logsumexp(np.array([1000.0, 1000.0])) == pytest.approx(1000 + np.log(2))
    assert ops.sigmoid(-1000.0) == 0.0


def test_torch_agrees() -> None:
    torch = pytest.importorskip("torch")
    x = torch.tensor(A, requires_grad=True)
    (torch.softmax(x, -1).amax(0).log() * x.mean(0)).sum().backward()
    v = Variable(A, requires_grad=True)
    ops.sum(ops.log(ops.max(ops.softmax(v), 0)) * ops.mean(v, 0)).backward()
    assert np.allclose(v.grad[0].value, x.grad.numpy())


def test_numpys_spelling() -> None:
    method, function = registry.facets.get("array_method"), registry.facets.get("array_function")
    v = Variable(A, requires_grad=True)
    assert method(v, "T").value.shape == (3, 2)
    assert method(v, "reshape")(3, 2).value.shape == method(v, "reshape")((3, 2)).value.shape == (3, 2)
    assert method(v, "flatten")().value.shape == (6,)
    assert method(v, "sum")(axis=0).value.tolist() == A.sum(axis=0).tolist()
    assert method(v, "tolist") is method(Variable("text"), "sum") is NotImplemented
    assert function("amax", (v,), {"axis": 0}).value.tolist() == A.max(axis=0).tolist()
    assert function("exp", (v,), {"out": A}) is function("fft", (v,), {}) is NotImplemented
    out = method(method(v, "T"), "sum")()
    out.backward()
    assert v.grad[0].value.tolist() == np.ones((2, 3)).tolist()


def test_lists_count_as_arrays_beside_numpys_names() -> None:
    v = Variable([1.0, 2.0], requires_grad=True)
    out = ops.add(v, [3, 4])
    assert out.value.tolist() == [4.0, 6.0]
    ops.sum(out).backward()
    assert v.grad[0].value == [1.0, 1.0]
    assert ops.matmul([1, 2], [3, 4]) == 11


def test_dot_that_is_no_matrix_product_says_so() -> None:
    with pytest.raises(ValueError, match="dot of arrays of 2 and 3 dimensions is not traced; write matmul"):
        ops.dot(A, of(2, 3, 2))


@pytest.mark.parametrize(
    ("shape", "axis", "told"), [((0,), None, r"the mean of an array of shape \(0,\)"), ((0, 3), 0, "the mean over axis 0 of")]
)
def test_the_mean_of_nothing_is_an_error(shape: Any, axis: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        ops.mean(np.zeros(shape), axis)
    assert ops.mean(np.zeros((0, 3)), 1).shape == (0,)
