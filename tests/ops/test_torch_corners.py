"""Torch in the graph where it is unusual: outputs that are None, nested modes, other processes, other threads, other graphs."""

from __future__ import annotations

import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import paragrad as pg
from paragrad.errors import UsageError

torch = pytest.importorskip("torch")


def test_one_of_several_outputs_may_be_none() -> None:
    x = pg.Parameter(np.array([1.0, 2.0]), name="x")
    out = pg.from_torch(lambda x: (x**3, None, {"again": x, "none": None}))(x)
    assert out.value[1] is None
    (pg.ops.sum(out[0]) + pg.ops.sum(out[2]["again"])).backward()
    assert x.grad[0].value.tolist() == [4.0, 13.0]
    with pytest.raises(TypeError, match="returned NoneType; return tensors"):
        pg.from_torch(lambda x: None)(x)


def test_training_mode_reaches_nested_programs_once() -> None:
    class Inner(pg.Module):
        def __init__(self) -> None:
            self.net = pg.from_torch(torch.nn.Dropout(0.5))

    class Outer(pg.Module):
        def __init__(self) -> None:
            self.parts = [Inner(), {"deep": Inner()}]
            self.me = self

    outer = Outer()
    nets = [outer.parts[0].net, outer.parts[1]["deep"].net]
    for mode in (False, True):
        assert (outer.train() if mode else outer.eval()) is outer
        assert [outer.training, *(net.training for net in nets), *(net.module.training for net in nets)] == [mode] * 5


def test_a_module_is_copied_to_another_process_whole() -> None:
    net = pg.from_torch(torch.nn.Linear(2, 1))
    copy = pickle.loads(pickle.dumps(net))
    x = np.ones((1, 2), "float32")
    assert copy(x).value.tolist() == net(x).value.tolist()
    copy.weight.set_data("zeros")
    assert copy(x).value.tolist() != net(x).value.tolist()


def test_what_cannot_become_a_program_is_said_in_words() -> None:
    with pytest.raises(UsageError, match=r"not the class Linear; write Linear\(\.\.\.\)"):
        pg.from_torch(torch.nn.Linear)
    with pytest.raises(UsageError, match="LazyLinear has parameters whose shapes torch does not know yet"):
        pg.from_torch(torch.nn.LazyLinear(2))


def test_in_the_body_of_a_generative_function_the_error_names_what_works_there() -> None:
    from paragrad import gen

    total = pg.from_torch(lambda x: x.sum())

    @gen.generative(grad=True)
    def model(x: Any) -> Any:
        return gen.sample(gen.normal(total(x), 1.0), "y")

    trace = gen.simulate(model, (np.ones(2),))
    with pytest.raises(UsageError, match=r"use paragrad\.gen\.from_torch\(function\)"):
        gen.choice_gradients(trace, gen.select("y"))


def test_first_calls_at_once_find_out_together_what_is_written_into() -> None:
    meeting = threading.Barrier(2)

    def either(x: Any, y: Any, first: bool) -> Any:
        meeting.wait(20)
        return (x if first else y).add_(1)

    code = pg.from_torch(either)
    v = pg.Variable(np.zeros(2))
    with ThreadPoolExecutor(2) as pool:
        outs = [out.result(20) for out in [pool.submit(code, v, v, first) for first in (True, False)]]
    assert [out.value.tolist() for out in outs] == [[1.0, 1.0]] * 2
    assert code.code.writes == {"x0", "x1"}
    assert v.value.tolist() == [0.0, 0.0]


OPERATORS = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": lambda a, b: a / b, "@": lambda a, b: a @ b, "<": lambda a, b: a < b,
}  # fmt: skip


@pytest.mark.parametrize("sign", OPERATORS)
@pytest.mark.parametrize("first", [True, False], ids=["variable first", "tensor first"])
def test_a_tensor_beside_a_variable_counts_as_an_array(sign: str, first: bool) -> None:
    tensor, array = torch.tensor([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 4.0], "float32")
    apply = OPERATORS[sign]
    found = []
    for other in (tensor, array):
        v = pg.Parameter([3.0, 2.0, 1.0], name="v")
        out = apply(v, other) if first else apply(other, v)
        assert not isinstance(out.value, torch.Tensor)
        if sign != "<":
            pg.ops.sum(out).backward()
        found.append((np.asarray(out.value).tolist(), [g.value.tolist() for g in v.grad]))
    assert found[0] == found[1]


def test_a_tensor_in_a_list_and_as_a_gradient() -> None:
    v = pg.Parameter([3.0, 2.0], name="v")
    out = pg.ops.stack([v, torch.ones(2)])
    assert out.value.tolist() == [[3.0, 2.0], [1.0, 1.0]]
    out.backward(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    assert v.grad[0].value.tolist() == [1.0, 2.0]


def test_a_tensor_that_requires_a_gradient_is_refused_beside_a_variable() -> None:
    with pytest.raises(UsageError, match=r"shape \(3,\) that requires a gradient .* would be lost: .*from_torch"):
        pg.Parameter([1.0, 2.0, 3.0]) * torch.ones(3, requires_grad=True)


def test_a_variable_of_a_tensor_stays_torchs() -> None:
    held = pg.Variable(torch.ones(2), space=pg.Opaque())
    assert isinstance((held + torch.ones(2)).value, torch.Tensor)


def _item(x: Any) -> Any:
    return (x * x).sum().item()


def _detached(x: Any) -> Any:
    return (x * x).detach()


def _numpy(x: Any) -> Any:
    return torch.from_numpy(x.detach().numpy() * 2)


def _no_graph(x: Any) -> Any:
    with torch.no_grad():
        return (x * 2).sum()


@pytest.mark.parametrize("fn", [_item, _detached, _numpy, _no_graph])
@pytest.mark.parametrize("again", [False, True], ids=["once", "create_graph"])
def test_a_result_cut_from_torchs_graph_is_an_error_at_backward(fn: Any, again: bool) -> None:
    v = pg.Parameter([1.0, 2.0], name="v")
    out = pg.ops.sum(pg.from_torch(fn)(v) * 2.0)
    with pytest.raises(RuntimeError, match=rf"{fn.__name__} cut its result from torch's graph.*\(x0\).*x.detach\(\)"):
        out.backward(create_graph=again)
    assert list(v.grad) == []


def test_what_is_cut_on_purpose_says_nothing() -> None:
    v = pg.Parameter([1.0, 2.0], name="v")
    pg.from_torch(_item)(v).backward("Be brief.")  # words need no slope
    both = pg.from_torch(lambda x: ((x * x).sum(), x.sum().item()))(v)  # a number to look at beside the loss
    both[0].backward()
    assert v.grad[-1].value.tolist() == [2.0, 4.0]
    w = pg.Parameter([1.0, 2.0], name="w")
    pg.ops.sum(pg.from_torch(lambda x: (x > 1.5).double())(w.detach()) * w).backward()
    assert w.grad[0].value.tolist() == [0.0, 1.0]
    index = pg.from_torch(lambda x: x.argmax())(w)  # whole numbers have no slope
    (w * index).backward([1.0, 1.0])
    assert w.grad[-1].value.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("power", [1, 2])
def test_second_derivatives_of_linear_functions_are_zero_and_no_error(power: int) -> None:
    v = pg.Parameter([1.0, 2.0], name="v")
    pg.from_torch(lambda x: (3 * x**power).sum())(v).backward(create_graph=True)
    slope = v.grad[0]
    assert slope.value.tolist() == ([3.0, 3.0] if power == 1 else [6.0, 12.0])
    v.grad = None
    pg.ops.sum(slope * v).backward()
    assert v.grad[-1].value.tolist() == ([3.0, 3.0] if power == 1 else [12.0, 24.0])
