"""pg.parallel: what the block's own code writes waits for the calls before it, whatever way it is written."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import paragrad as pg
from paragrad.context import Coordinate, Scope, scope
from paragrad.trace.overlay import guarded, transaction


class Reader:
    """Reads a Parameter as a plain value, once it may."""

    def __init__(self, parameter: Any) -> None:
        self.parameter = parameter
        self.begun = threading.Event()
        self.call: Any = pg.bundle(self._read, effects=())

    def _read(self, late: bool) -> Any:
        if late:  # the writer has had every chance to be faster
            self.begun.wait(0.05)
        return self.parameter.value


class Program(pg.Module):
    """One Parameter."""

    def __init__(self, first: Any) -> None:
        self.p: Any = pg.Parameter(first)


def _step(program: Program) -> None:
    (program.p * 1.0).backward()
    pg.optimizers.SGD([program.p], lr=1.0).step()


def _published(program: Program) -> None:
    with transaction():
        program.p.data = 2.0


WRITES: dict[str, Callable[[Program], Any]] = {
    "data": lambda m: setattr(m.p, "data", 2.0),
    "set_data": lambda m: m.p.set_data(2.0),
    "deferred": lambda m: m.p.set_data("ones"),
    "copy_": lambda m: m.p.copy_(pg.Variable(2.0)),
    "load_state_dict": lambda m: m.load_state_dict({"p": {"value": 2.0, "requires_grad": True}}),
    "transaction": _published,
    "step": _step,
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_write_waits_for_the_calls_before_it_and_comes_before_those_after_it(write: Callable[[Program], Any]) -> None:
    program = Program(5.0)
    reader = Reader(program.p)
    with pg.parallel():
        before = reader.call(True)
        write(program)
        after = reader.call(False)
    assert before.value == 5.0
    assert after.value == program.p.value != 5.0


def test_a_write_in_an_overlay_or_an_inner_block_waits_too() -> None:
    program = Program(5.0)
    reader = Reader(program.p)
    with pg.overlay({program.p: 1.0}), pg.parallel():
        outer = reader.call(True)
        with pg.parallel():
            inner = reader.call(True)
            program.p.data = 2.0
            last = reader.call(False)
    assert [outer.value, inner.value, last.value, program.p.value] == [1.0, 1.0, 2.0, 5.0]


def test_whether_a_parameter_is_trained_is_that_of_the_call() -> None:
    program = Program(5.0)
    reader = Reader(program.p)
    with pg.parallel():
        before = reader.call(True)
        program.p.requires_grad = False
        after = reader.call(False)
    assert (before.requires_grad, after.requires_grad) == (True, False)


def test_a_write_waits_for_calls_that_fail_and_raises_nothing() -> None:
    program = Program(5.0)

    @pg.bundle(effects=())
    def failing(x: int) -> int:
        raise ValueError(str(x))

    def block() -> None:
        with pg.parallel():
            failing(1)
            program.p.data = 2.0

    with pytest.raises(pg.errors.ExecutionError, match="failing"):
        block()
    assert program.p.value == 2.0


def test_a_run_that_begins_in_a_block_waits_for_the_calls_before_it() -> None:
    program = Program(5.0)
    reader = Reader(program.p)
    with pg.parallel():
        before = reader.call(True)
        with guarded([program.p]):  # as a run does: from here on a read outside its context is an error
            reader.begun.wait(0.1)
    assert before.value == 5.0


def test_calls_of_torch_functions_overlap() -> None:
    torch = pytest.importorskip("torch")
    meeting = threading.Barrier(3)

    def doubled(x: Any) -> Any:
        if threading.current_thread() is not threading.main_thread():
            meeting.wait(20)  # all three are in here at once, or nobody leaves
        return x * 2

    double = pg.from_torch(doubled)
    p = pg.Parameter(np.ones(2), name="p")
    with pg.parallel():
        first, second, third = double(p), double(p), double(p)
        total = pg.ops.sum(first + second) + pg.ops.sum(third)
    total.backward()
    assert total.value == 12.0
    assert p.grad[0].value.tolist() == [6.0, 6.0]
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("inside", [True, False], ids=["in a run", "outside"])
def test_draws_and_running_means_of_torch_are_those_of_the_serial_program(inside: bool) -> None:
    torch = pytest.importorskip("torch")

    def program() -> list[Any]:
        torch.manual_seed(0)
        noisy = pg.from_torch(lambda x: x + torch.rand(()), random=True)
        drop = pg.from_torch(torch.nn.Dropout(0.5))
        normed = pg.from_torch(torch.nn.Sequential(torch.nn.BatchNorm1d(2), torch.nn.Dropout(0.5)))
        x = np.arange(8, dtype="float32").reshape(4, 2)
        made = [*[noisy(x) for _ in range(3)], drop(x), normed(x), normed(x * 2), drop(x)]
        return [*made, *normed.parameters()]

    with scope(Scope(Coordinate(), seed=3) if inside else None):
        serial = [v.value.tolist() for v in program()]
    with scope(Scope(Coordinate(), seed=3) if inside else None):
        with pg.parallel(workers=4):
            made = program()
        assert [v.value.tolist() for v in made] == serial
