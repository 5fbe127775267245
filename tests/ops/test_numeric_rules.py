"""Every numeric rule agrees with finite differences, first and second order; the checker is checked too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import paragrad as pg
from paragrad import ops, registry
from paragrad.testing.grads import check_grads
from paragrad.trace import Variable, op
from paragrad.trace.operation import TABLE

SCALARS: dict[str, tuple[Callable[..., Any], list[Any]]] = {
    "abs": (lambda x: abs(x), [-1.5]),
    "add": (lambda x, y: x + y, [1.5, 2.0]),
    "radd": (lambda x: 3.0 + x, [1.5]),
    "cast": (lambda x: (x * x).to(float) * x, [1.5]),
    "copy": (lambda v: v.copy()[0] * v[1], [[1.5, 2.0]]),
    "floordiv": (lambda x, y: x * (x // y), [7.3, 2.1]),
    "getitem": (lambda v: v[0] * v[2] + v[-1], [[1.5, 2.0, 3.0]]),
    "iterate": (lambda v: sum(e * e for e in v), [[1.5, 2.0, 3.0]]),
    "list add": (lambda v, w: (v + w)[1] * (v + w)[2] * (w + [9.0])[2], [[1.5, 2.0], [3.0, 4.0]]),  # noqa: RUF005
    "list mul": (lambda v: (v * 3)[1] * (2 * v)[2], [[1.5, 2.0]]),
    "list slice": (lambda v: v[1:][0] * v[:2][1] * v[::2][1], [[1.5, 2.0, 3.0]]),
    "list of": (lambda x, y: ([x, y] + Variable([1.0]))[1] * x, [1.5, 2.0]),  # noqa: RUF005
    "mod": (lambda x, y: (x % y) * x, [7.3, 2.1]),
    "mul": (lambda x, y: x * y * x, [1.5, 2.0]),
    "neg": (lambda x: -x * x, [1.5]),
    "pos": (lambda x: +x * x, [1.5]),
    "pow": (lambda x, y: x**y, [1.5, 2.2]),
    "rpow": (lambda x: 2.5**x, [1.5]),
    "rsub": (lambda x: (3.0 - x) * x, [1.5]),
    "rtruediv": (lambda x: 3.0 / x, [1.5]),
    "sub": (lambda x, y: (x - y) * x, [1.5, 2.0]),
    "truediv": (lambda x, y: x / y, [1.5, 2.0]),
    "shared": (lambda x: x * x * x + x, [1.5]),
}


@pytest.mark.parametrize("name", SCALARS)
def test_rules_of_numbers_and_lists(name: str) -> None:
    fn, args = SCALARS[name]
    check_grads(fn, args, order=2)


LIST = [0.5, 1.5, 2.5]


def _arrays() -> dict[str, tuple[Callable[..., Any], list[Any]]]:
    rng = np.random.default_rng(0)

    def of(*shape: int) -> Any:
        return rng.uniform(0.5, 2.0, shape)

    def total(x: Any) -> Any:
        """A scalar from an array, by rules that are tested alone."""
        ones = np.ones(x.value.shape)
        flat = x
        while flat.value.ndim:
            flat = np.ones(flat.value.shape[0]) @ flat if flat.value.ndim < 3 else flat @ np.ones(flat.value.shape[-1])
        assert ones.shape == x.value.shape
        return flat

    return {
        "add": (lambda a, b: total(a * a + b), [of(2, 3), of(3)]),
        "list add": (lambda a: total((LIST + a) * a), [of(2, 3)]),
        "list div": (lambda a, b: total(a / b), [of(2, 3), [1.5, 2.5, 0.5]]),
        "list matmul": (lambda a, b: total((a @ b) * [1.0, 2.0]), [of(2, 3), [1.5, 2.5, 0.5]]),
        "list mul": (lambda a, b: total(b * a * [1.0, 2.0, 3.0]), [of(2, 3), [1.5, 2.5, 0.5]]),
        "list pow": (lambda a, b: total(a**b), [of(2, 3), [1.5, 2.5, 0.5]]),
        "list sub": (lambda a, b: total((b - a) * a), [of(2, 3), [1.5, 2.5, 0.5]]),
        "broadcast both": (lambda a, b: total(a * b), [of(2, 1), of(1, 3)]),
        "div": (lambda a, b: total(a / b), [of(2, 3), of(2, 1)]),
        "index": (lambda a: a[1, 2] * a[0, 0], [of(2, 3)]),
        "matmul 1x1": (lambda a, b: (a @ b) * (a @ b), [of(3), of(3)]),
        "matmul 1x2": (lambda a, b: total((a @ b) * (a @ b)), [of(3), of(3, 2)]),
        "matmul 2x1": (lambda a, b: total((a @ b) * (a @ b)), [of(2, 3), of(3)]),
        "matmul 2x2": (lambda a, b: total((a @ b) * (a @ b)), [of(2, 3), of(3, 2)]),
        "matmul batch": (lambda a, b: total((a @ b) * (a @ b)), [of(2, 2, 3), of(3, 2)]),
        "matmul vector batch": (lambda a, b: total((a @ b) * (a @ b)), [of(3), of(2, 3, 2)]),
        "mul scalar": (lambda a, x: total(a * x * x), [of(2, 3), 1.5]),
        "pow": (lambda a: total(a**3.0), [of(2, 2)]),
        "slice": (lambda a: total(a[1:] * a[:1]), [of(2, 3)]),
        "sub": (lambda a, b: total((a - b) * b), [of(2, 3), of(1, 3)]),
        "take": (lambda a: total(a[[0, 0, 1]] * a[[1, 0, 1]]), [of(2)]),
    }


ARRAYS = _arrays()


@pytest.mark.parametrize("name", ARRAYS)
def test_rules_of_arrays(name: str) -> None:
    fn, args = ARRAYS[name]
    check_grads(fn, args)


@pytest.mark.parametrize(
    "name", ["add", "broadcast both", "div", "index", "matmul 1x1", "matmul 1x2", "matmul 2x1", "matmul 2x2", "mul scalar", "slice"]
)
def test_second_order_of_arrays(name: str) -> None:
    fn, args = ARRAYS[name]
    check_grads(fn, args, order=2)


def test_every_numeric_rule_of_the_table_is_tried() -> None:
    TABLE.ensure_rules()
    ruled = {name.removeprefix("method.") for name, o in TABLE.operations.items() if "numeric" in o.rules}
    flat = {"ceil", "floor", "round", "trunc", "depend"}
    inner = {"added", "arrayed", "listed", "broadcast", "folded", "scatter", "sum_to", "transposed", "slice", "log"}
    tried = {name.split()[0] for name in SCALARS} | {name.split()[0] for name in ARRAYS}
    assert ruled - flat - inner - tried == set()
    assert set(registry.rules.names()) >= {"arithmetic", "containers", "text"}


@pytest.mark.parametrize("make", [pg.Parameter, lambda value: pg.Variable(value, requires_grad=True)], ids=["Parameter", "Variable"])
@pytest.mark.parametrize("factor", [[0.25, 0.5], (0.25, 0.5)], ids=["list", "tuple"])
def test_a_plain_list_beside_an_array_is_elementwise(make: Any, factor: Any) -> None:
    for product in (lambda p: p * factor, lambda p: factor * p):
        p = make(np.array([[1.0, 2.0], [3.0, 4.0]]))
        ops.sum(product(p)).backward()
        assert p.grad[0].value.tolist() == [[0.25, 0.5], [0.25, 0.5]]
    row = pg.Variable([1.0, 2.0], requires_grad=True)
    ops.sum(row * np.array([[3.0, 4.0], [5.0, 6.0]])).backward()
    assert row.grad[0].value == [8.0, 10.0], "in the form of the list"


@pytest.mark.parametrize("name", ["round", "trunc", "floor", "ceil"])
def test_rounding_is_flat(name: str) -> None:
    import math

    x = Variable(1.5, requires_grad=True)
    out = round(x) if name == "round" else getattr(math, name)(x)
    out.backward()
    assert list(x.grad) == []


def test_the_checker_finds_a_wrong_rule() -> None:
    @op
    def square(x: float) -> float:
        return x * x

    square.pullback("numeric")(lambda g, out, x: g * x)
    with pytest.raises(AssertionError, match="finite differences"):
        check_grads(square, [1.5])
    square.pullback("numeric")(lambda g, out, x: g * 2.0 * x)
    check_grads(square, [1.5], order=2)


def test_a_wrong_second_derivative_is_found_too() -> None:
    @op
    def cube(x: float) -> float:
        return x**3

    cube.pullback("numeric")(lambda g, out, x: g * 3.0 * (x.value if isinstance(x, Variable) else x) ** 2)
    check_grads(cube, [1.5])
    with pytest.raises(AssertionError, match="d2"):
        check_grads(cube, [1.5], order=2)


def test_casts_between_kinds_stop_numbers_and_pass_words() -> None:
    text = Variable("3.5", requires_grad=True)
    (text.to(float) * 2.0).backward()
    assert list(text.grad) == []
    (text.to(float) * 2.0).backward("too big")
    assert [g.value for g in text.grad] == ["too big"]


@pytest.mark.parametrize(
    "data", [[1.0, 2.0, 3.0], np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0], "float32")], ids=["list", "float64", "float32"]
)
@pytest.mark.parametrize("gradient", [[1, 2, 3], (1.0, 2.0, 3.0), np.array([1.0, 2.0, 3.0])], ids=["ints", "tuple", "array"])
def test_a_gradient_is_given_in_any_form_of_its_shape(data: Any, gradient: Any) -> None:
    v = pg.Parameter(data) if isinstance(data, list) else pg.Variable(data, requires_grad=True)
    (v * 2).backward(gradient)
    found = v.grad[0].value
    assert isinstance(found, np.ndarray)
    assert found.tolist() == [2.0, 4.0, 6.0]
    if not isinstance(gradient, np.ndarray):
        assert found.dtype == v.value.dtype


def test_lists_get_lists() -> None:
    v = pg.Variable([1.0, 2.0], requires_grad=True)
    more = v + [3.0]  # noqa: RUF005  # the operator is what is asked for
    more.backward(np.array([1.0, 2.0, 3.0]))
    assert v.grad[0].value == [1.0, 2.0]
