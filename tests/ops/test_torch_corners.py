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
