"""Torch functions and modules as one node: gradients, memory, contexts, randomness."""

from __future__ import annotations

import copy
import gc
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import Any

import pytest

import paragrad as pg
from paragrad.context import Coordinate, Scope, scope
from paragrad.errors import UsageError
from paragrad.ops.torch_values import array_of, tensor_of
from paragrad.testing.grads import check_grads

torch = pytest.importorskip("torch")
np = pytest.importorskip("numpy")


def of(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).uniform(0.5, 2.0, shape)


@pg.from_torch
def bent(x: Any, y: Any) -> Any:
    """A scalar of an array and a number."""
    return (torch.sin(x) * y * x).sum()


CASES: dict[str, tuple[Any, list[Any]]] = {
    "array and number": (bent, [of(2, 3), 1.5]),
    "row of floats": (pg.from_torch(lambda v: (v**3).prod()), [[0.5, 1.5, 2.0]]),
    "two arrays": (pg.from_torch(lambda a, b: torch.linalg.norm(a @ b)), [of(2, 3), of(3, 2, seed=1)]),
    "by name": (lambda a: pg.from_torch(lambda *, at: (at * at).sum())(at=a), [of(3)]),
    "nested": (lambda a, b: pg.from_torch(lambda d: (d["a"][0] * d["a"][1]).sum())({"a": [a, b]}), [of(3), of(3, seed=1)]),
    "several outputs": (lambda a: (lambda two: two[0] * two[1]["s"])(pg.from_torch(lambda x: (x.sum(), {"s": x.prod()}))(a)), [of(3)]),
    "after an operator": (lambda a, y: bent(a * 2.0, y) * y, [of(2), 0.7]),
    "twice the same": (lambda a: pg.from_torch(lambda x, y: (x * y).sum())(a, a), [of(3)]),
}


@pytest.mark.parametrize("name", CASES)
def test_gradients_agree_with_finite_differences_to_second_order(name: str) -> None:
    fn, args = CASES[name]
    check_grads(fn, args, order=2)


def test_third_derivatives() -> None:
    cube = pg.from_torch(lambda x: x**4)
    x = pg.Variable(1.5, requires_grad=True)
    y: Any = cube(x)
    for wanted in (4 * 1.5**3, 12 * 1.5**2, 24 * 1.5):
        x.grad = None
        y.backward(create_graph=True)
        y = x.grad[0]
        assert y.value == pytest.approx(wanted)


def test_nothing_is_copied_on_the_way_in_and_out() -> None:
    seen: list[int] = []

    def same(x: Any) -> Any:
        seen.append(x.data_ptr())
        return x.view(-1)

    fn = pg.from_torch(same)
    x = pg.Variable(of(4, 4), requires_grad=True)
    where = x.value.__array_interface__["data"][0]
    fn(x)  # the first call gets copies, to see what it writes into
    out = fn(x)
    assert seen[1] == where == out.value.__array_interface__["data"][0]
    assert not out.value.flags.writeable
    with pytest.raises(ValueError, match="WRITEABLE"):
        out.value.flags.writeable = True


@pytest.mark.parametrize("array", [np.arange(6)[::-1], np.arange(6.0).astype(">f8"), np.float32(2), np.zeros((0, 3)), np.ones(2, bool)])
def test_odd_arrays_become_tensors_and_come_back(array: Any) -> None:
    assert np.array_equal(array_of(tensor_of(array)), array)


def test_what_torch_writes_into_is_a_copy() -> None:
    relu = pg.from_torch(torch.nn.functional.relu_)
    x = pg.Variable(np.array([-1.0, 2.0]))
    for _ in range(2):
        assert relu(x).value.tolist() == [0.0, 2.0]
        assert x.value.tolist() == [-1.0, 2.0]
    w = pg.Variable(np.array([-1.0, 2.0]), requires_grad=True)
    relu(w).backward(np.array([1.0, 1.0]))
    assert w.grad[0].value.tolist() == [0.0, 1.0]


def test_a_late_write_is_an_error_that_names_the_argument() -> None:
    def sometimes(x: Any, write: bool) -> Any:
        return x.add_(1) if write else x + 1

    fn = pg.from_torch(sometimes)
    fn(pg.Variable(np.zeros(2)), False)
    with pytest.raises(RuntimeError, match="argument x0"):
        fn(pg.Variable(np.zeros(2)), True)


def test_the_graph_of_torch_is_freed_with_the_record() -> None:
    kept: list[Any] = []

    def fn(x: Any) -> Any:
        y = x.exp()
        kept.append(weakref.ref(y))
        return (y * y).sum()

    def alive() -> bool:
        gc.collect()
        return kept[-1]() is not None

    call = pg.from_torch(fn)
    x = pg.Variable(of(3), requires_grad=True)
    out = call(x)
    assert alive()
    out.backward(retain_graph=True)
    assert alive()
    out.backward()
    assert not alive()
    assert x.grad.count == 2
    with pytest.raises(RuntimeError, match="freed"):
        out.backward()
    call(x)
    assert not alive()
    with pg.no_grad():
        quiet = call(x)
    assert quiet.grad_fn is None


def test_texts_and_integers_pass_as_they_are_and_get_no_numeric_gradient() -> None:
    def loss(text: str, at: int, w: Any) -> Any:
        assert isinstance(text, str)
        return (w[at] - len(text)) ** 2

    text, at = pg.Parameter("four", name="text"), pg.Variable(1, requires_grad=True)
    w = pg.Variable(np.array([1.0, 2.0]), requires_grad=True)
    out = pg.from_torch(loss)(text, at, w)
    out.backward()
    assert w.grad[0].value.tolist() == [0.0, -4.0]
    assert not text.grad
    assert not at.grad
    out = pg.from_torch(loss)(text, at, w)
    out.backward("make the text shorter")
    assert text.grad[0].value == "make the text shorter"


def test_what_cannot_come_back_is_named() -> None:
    with pytest.raises(TypeError, match="returned str"):
        pg.from_torch(lambda x: "no")(pg.Variable(1.0))
    with pytest.raises(TypeError, match="complex"):
        pg.from_torch(lambda x: torch.ones(2, dtype=torch.complex64))(pg.Variable(1.0))
    with pytest.raises(UsageError, match="torch function"):
        pg.from_torch(3)


def test_without_torch_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(UsageError, match=r"paragrad\[torch\]"):
        pg.from_torch(lambda x: x)


def net() -> Any:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.ReLU(inplace=True), torch.nn.Dropout(0.5), torch.nn.Linear(4, 2)
    )


DATA = np.random.default_rng(1).normal(size=(5, 3)).astype("float32")


def test_a_module_gives_torchs_own_gradients_under_torchs_own_names() -> None:
    module, program = net().eval(), pg.from_torch(net().eval())
    module(torch.from_numpy(DATA)).square().mean().backward()
    pg.from_torch(lambda o: o.square().mean())(program(DATA)).backward()
    trained = {name: p for name, p in program.named_parameters().items() if p.requires_grad}
    assert list(trained) == [name for name, _ in module.named_parameters()]
    for name, weight in module.named_parameters():
        assert np.allclose(trained[name].grad[0].value, weight.grad.numpy(), atol=1e-7)


def test_candidates_in_threads_share_one_module() -> None:
    class Slow(torch.nn.Linear):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            time.sleep(0.002)  # another thread's call begins meanwhile
            return super().forward(x)

    program = pg.from_torch(Slow(3, 1, bias=False).double())
    found: dict[int, float] = {}

    def evaluate(k: int) -> None:
        with program.overlay({"weight": np.full((1, 3), float(k))}):
            found[k] = float(program.predict(np.ones((1, 3)))[0, 0])

    threads = [threading.Thread(target=pg.carry(evaluate), args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {k: 3.0 * k for k in range(8)}


def test_buffers_are_written_in_training_mode_where_the_context_says() -> None:
    program = pg.from_torch(net())
    mean = program.named_parameters()["1.running_mean"]
    assert not mean.requires_grad
    first = mean.value
    with pg.overlay({}):
        program(DATA)
        assert not np.array_equal(mean.value, first)
    assert np.array_equal(mean.value, first)
    program(DATA)
    changed = mean.value
    assert not np.array_equal(changed, first)
    program.eval()
    program(DATA)
    assert mean.value is changed


def test_dropout_is_seeded_by_the_coordinate() -> None:
    program = pg.from_torch(torch.nn.Dropout(0.5))
    x = np.ones(64, "float32")

    def at(item: int, seed: int = 0) -> list[float]:
        with scope(Scope(Coordinate(item=item), seed=seed)):
            return program.predict(x).tolist()  # type: ignore[no-any-return]

    before = torch.get_rng_state()
    assert at(1) == at(1)
    assert at(1) != at(2)
    assert at(1) != at(1, seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(3)
    a = program.predict(x).tolist()
    torch.manual_seed(3)
    assert a == program.predict(x).tolist() != program.predict(x).tolist()
    assert program.eval().predict(x).tolist() == x.tolist()


def test_a_recorded_backward_draws_the_same_numbers() -> None:
    noisy = pg.from_torch(lambda x: (x * x * (torch.rand(3) > 0.5)).sum(), random=True)
    x = pg.Variable(np.array([1.0, 2.0, 3.0]), requires_grad=True)
    out = noisy(x)
    out.backward(create_graph=True)
    first = x.grad[0]
    assert (first.value * x.value / 2).sum() == pytest.approx(out.value)


def test_state_saved_and_loaded(tmp_path: Path) -> None:
    program, other = pg.from_torch(net()), pg.from_torch(net())
    program(DATA)
    program.named_parameters()["0.weight"].data = np.zeros((4, 3), "float32")
    program.save(tmp_path / "net")
    other.load(tmp_path / "net").eval()
    assert np.array_equal(other.predict(DATA), program.eval().predict(DATA))
    other.load_state_dict(program.state_dict())
    assert other.state_dict().keys() == program.state_dict().keys()


def test_values_go_to_torch_without_copies_and_come_back_once() -> None:
    program = pg.from_torch(torch.nn.Linear(3, 1).double())
    weight = program.named_parameters()["weight"]
    weight.data = np.ones((1, 3))
    assert not torch.equal(program.module.weight, torch.ones(1, 3).double())
    program.sync()
    assert program.module.weight.data_ptr() == weight.value.__array_interface__["data"][0]
    trained = copy.deepcopy(program.module)
    with torch.no_grad():
        trained.weight.add_(1)
    assert weight.value.tolist() == [[1.0, 1.0, 1.0]]
    program.module.load_state_dict({"weight": torch.zeros(1, 3), "bias": torch.zeros(1)}, assign=True)
    program.absorb()  # float32 into float64: widened
    assert weight.value.tolist() == [[0.0, 0.0, 0.0]]


def test_a_module_gets_python_floats_in_the_type_of_its_weights() -> None:
    row = [0.1, 0.2]
    small, large = pg.from_torch(torch.nn.Linear(2, 1)), pg.from_torch(torch.nn.Linear(2, 1).double())
    for program, kind in ((small, "float32"), (large, "float64")):
        x = pg.Variable(row, requires_grad=True)
        out = program(x)
        weight, bias = (program.named_parameters()[name].value for name in ("weight", "bias"))
        assert out.value.dtype == kind
        assert out.value == pytest.approx(weight @ np.array(row, kind) + bias, rel=1e-6)
        out.backward(np.ones(1, kind))
        assert x.grad[0].value == [float(part) for part in weight[0]]
    x = pg.Variable(row, requires_grad=True)
    pg.ops.sum(pg.ops.square(small(x))).backward(create_graph=True)
    assert x.grad[0].value == pytest.approx(2 * small.predict(np.array(row, "float32")) * small.named_parameters()["weight"].value[0])


def test_a_function_gets_python_floats_with_every_digit() -> None:
    seen: list[Any] = []
    pg.from_torch(lambda x, row: seen.append((x.dtype, row.dtype, x.item())) or x * row)(pg.Variable(0.1), pg.Variable([0.1, 0.2]))
    assert seen == [(torch.float64, torch.float64, 0.1)]


def test_an_array_of_another_type_keeps_it_and_the_error_says_what_to_write() -> None:
    with pytest.raises(RuntimeError, match="same dtype") as raised:
        pg.from_torch(torch.nn.Linear(2, 1))(np.ones(2))
    assert raised.value.__notes__ == ["Linear computes in float32 and got float64: write x.astype('float32')"]


def test_a_device_that_is_not_there_is_refused_at_once() -> None:
    with pytest.raises(UsageError, match=r"device='nowhere' cannot be used here"):
        pg.from_torch(torch.nn.Linear(2, 1), device="nowhere")


def test_a_name_that_a_program_needs_is_refused() -> None:
    class Odd(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.save = torch.nn.Parameter(torch.ones(1))

    with pytest.raises(UsageError, match="'save'"):
        pg.from_torch(Odd())


def test_a_module_inside_a_program_trains() -> None:
    class Program(pg.Module):
        def __init__(self) -> None:
            self.net = pg.from_torch(torch.nn.Linear(1, 1).double())
            self.scale = pg.Parameter(2.0)

        def forward(self, x: Any) -> Any:
            return ((self.net(x) * self.scale - 3.0) ** 2)[0, 0]

    program = Program()
    assert list(program.named_parameters()) == ["net.weight", "net.bias", "scale"]
    losses = []
    for _ in range(60):
        loss = program(np.ones((1, 1)))
        loss.backward()
        losses.append(loss.value)
        for p in program.parameters():
            p.data = p.value - 0.02 * p.grad[0].value
            p.zero_grad()
    assert losses[-1] < 1e-3 < losses[0]


def test_what_is_frozen_may_stay_with_torch() -> None:
    module = net().eval().requires_grad_(False)
    module[0].weight.requires_grad_()
    program = pg.from_torch(module, frozen=False)
    assert list(program.named_parameters()) == ["0.weight"]
    pg.from_torch(lambda o: o.square().mean())(program(DATA)).backward()
    assert program.named_parameters()["0.weight"].grad
    assert np.allclose(program.predict(DATA), pg.from_torch(net().eval()).predict(DATA))
