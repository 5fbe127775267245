"""Calls of one torch module from several threads: at once where the module allows it, each with its own values."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

import paragrad as pg
from paragrad.ops.torch_twins import Twins

torch = pytest.importorskip("torch")
np = pytest.importorskip("numpy")


class Meeting(torch.nn.Module):  # type: ignore[misc]
    """Two tied layers; a call does what ``Meeting.during`` says."""

    during: Callable[[Any], None] = staticmethod(lambda module: None)

    def __init__(self) -> None:
        super().__init__()
        self.one = torch.nn.Linear(2, 2, bias=False).double()
        self.two = torch.nn.Linear(2, 2, bias=False).double()
        self.two.weight = self.one.weight
        self.calls = 0
        self.seen: list[int] = []

    def forward(self, x: Any) -> Any:
        made = self.one(x)
        Meeting.during(self)  # between two reads of one weight
        return self.two(made).sum()


def at_once(work: Callable[[int], None], threads: int = 2) -> None:
    """Run it in several threads; their errors are raised here."""
    failed: list[BaseException] = []

    def guarded(k: int) -> None:
        try:
            work(k)
        except BaseException as error:  # noqa: BLE001  handed on
            failed.append(error)

    started = [threading.Thread(target=pg.carry(guarded), args=(k,)) for k in range(threads)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join(20)
    if failed:
        raise failed[0]


def having_met(twins: Twins, call: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Two callers meet, and a call after that shows whether the module leaves itself alone."""
    inside, seen = threading.Event(), Meeting.during

    def slow(module: Any) -> None:
        seen(module)
        inside.set()
        deadline = threading.Event()
        while not twins.met and not deadline.wait(0.001):
            pass

    monkeypatch.setattr(Meeting, "during", staticmethod(slow))
    first = threading.Thread(target=call)
    first.start()
    assert inside.wait(60)
    monkeypatch.setattr(Meeting, "during", staticmethod(seen))
    call()
    first.join(60)
    call()


def test_calls_of_several_threads_run_at_once_each_with_its_own_values(monkeypatch: pytest.MonkeyPatch) -> None:
    program = pg.from_torch(Meeting(), random=False)
    x = np.array([1.0, 2.0])
    having_met(program.twins, lambda: program(x), monkeypatch)
    both = threading.Barrier(2, timeout=20)  # broken where one call waits for the other
    monkeypatch.setattr(Meeting, "during", staticmethod(lambda module: both.wait()))
    weight = program.named_parameters()["one.weight"]
    found: dict[int, tuple[float, Any]] = {}

    def evaluate(k: int) -> None:
        with program.overlay({"one.weight": np.full((2, 2), k + 1.0)}):
            out = program(x)
            out.backward()
            found[k] = float(out.value), weight.grad[0].value

    at_once(evaluate)
    for k in range(2):
        w = torch.full((2, 2), k + 1.0, dtype=torch.float64, requires_grad=True)
        wanted = (w @ (w @ torch.tensor(x))).sum()
        wanted.backward()
        assert found[k][0] == wanted.item()
        assert np.array_equal(found[k][1], w.grad.numpy())
    assert len(program.twins.spare) == 1
    copy = program.twins.spare[0][1]
    assert copy is not program.module
    assert copy.one.weight is program.module.one.weight is copy.two.weight, "no tensor is copied"


def test_a_copy_follows_the_mode_and_the_hooks_of_the_module(monkeypatch: pytest.MonkeyPatch) -> None:
    program = pg.from_torch(Meeting(), random=False)
    x = np.array([1.0, 2.0])
    having_met(program.twins, lambda: program(x), monkeypatch)
    modes: list[bool] = []
    hooked: list[int] = []
    program.eval()
    program.module.register_forward_hook(lambda *given: hooked.append(1))
    having_met(program.twins, lambda: program(x), monkeypatch)
    hooked.clear()
    both = threading.Barrier(2, timeout=20)

    def note(module: Any) -> None:
        modes.append(module.training)
        both.wait()

    monkeypatch.setattr(Meeting, "during", staticmethod(note))
    at_once(lambda k: program(x) and None)
    assert modes == [False, False]
    assert hooked == [1, 1]


def count(module: Any) -> None:
    module.calls += 1


def keep(module: Any) -> None:
    module.seen.append(len(module.seen))


@pytest.mark.parametrize("during", [count, keep])
def test_what_a_module_keeps_of_its_calls_is_never_lost_in_a_copy(during: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    program = pg.from_torch(Meeting(), random=False)
    monkeypatch.setattr(Meeting, "during", staticmethod(during))
    having_met(program.twins, lambda: program(np.ones(2)), monkeypatch)

    def several(k: int) -> None:
        for _ in range(10):
            program(np.ones(2))

    at_once(several, 4)
    assert max(program.module.calls, len(program.module.seen)) == 43
    assert program.twins.spare == []


def test_a_module_that_cannot_be_copied_is_lent_to_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    program = pg.from_torch(Meeting(), random=False)
    program.module.own = threading.Lock()
    having_met(program.twins, lambda: program(np.ones(2)), monkeypatch)
    inside: list[int] = []

    def alone(module: Any) -> None:
        inside.append(1)
        assert len(inside) == 1
        inside.pop()

    monkeypatch.setattr(Meeting, "during", staticmethod(alone))

    def several(k: int) -> None:
        for _ in range(10):
            program(np.ones(2))

    at_once(several, 4)
    assert program.twins.spare == []
