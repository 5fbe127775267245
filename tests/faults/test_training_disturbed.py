"""R2: a run that fails anywhere changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any

import pytest

from paragrad.errors import (
    BadRequest,
    Conflict,
    NotConnected,
    ParagradError,
    StoreError,
)
from paragrad.llm import stack
from paragrad.stores.memory import MemoryStore
from paragrad.trainers.values import to_json
from tests.faults.trainee import Answers, Logged, metric, optimizer, reply, trainer

SEARCHES = [("pareto", "asking"), ("beam", "critic"), ("ucb", "asking"), ("basic", "critic")]


def values_of(program: Any) -> dict[str, Any]:
    """Every value as bytes of its space."""
    named = {p.id: p for p in program.parameters()}
    return to_json(named, {id: p.value for id, p in named.items()})


class Kth:
    """Does something else at the k-th time."""

    def __init__(self, k: int, usual: Callable[..., Any], then: Callable[..., Any]) -> None:
        self.k, self.usual, self.then = k, usual, then
        self.lock = Lock()

    def __call__(self, *args: Any) -> Any:
        with self.lock:
            self.k -= 1
            now = self.k == 0
        return (self.then if now else self.usual)(*args)


def failing(error: BaseException) -> Callable[..., Any]:
    def fail(*_: Any) -> Any:
        raise error

    return fail


FAULTS: dict[str, Callable[[int], dict[str, Any]]] = {
    "refused": lambda k: {"script": Kth(k, reply, failing(BadRequest("too long")))},
    "outage": lambda k: {"script": Kth(k, reply, failing(NotConnected("gone")))},
    "garbage": lambda k: {"script": Kth(k, reply, lambda _: "\0</answer>{{{" * 50)},
    "metric raises": lambda k: {"guide": Kth(k, metric, failing(KeyError("x")))},
    "metric returns NaN": lambda k: {"guide": Kth(k, metric, lambda *_: float("nan"))},
    "metric returns None": lambda k: {"guide": Kth(k, metric, lambda *_: None)},
    "bug in the model": lambda k: {"script": Kth(k, reply, failing(ZeroDivisionError("bug")))},
}


def bound_by_name(guide: Any) -> Any:
    """A metric that calls ``guide``."""

    def judged(output: Any, target: Any) -> Any:
        return guide(output, target)

    return judged


def injected(fault: str, k: int, algorithm: str = "minibatch", words: str = "edit") -> tuple[bool, bool]:
    """One run with one fault: whether it was noticed, and whether the program changed. It never changes in part."""
    options = FAULTS[fault](k)
    program = Answers()
    before = values_of(program)
    model = stack(Logged(script=options.pop("script", reply)), cache=False, retries=0)
    guide = bound_by_name(options.pop("guide", metric))
    try:
        result = trainer(model, program, algorithm, optimizer=optimizer(words), journal=False, guide=guide, budget="300 calls").train()
    except (ParagradError, ZeroDivisionError):
        assert values_of(program) == before
        return True, False
    wanted = to_json(result.parameters, result.best.values) if result.applied else before
    assert values_of(program) == wanted
    return False, values_of(program) != before


@pytest.mark.parametrize("step", [40, pytest.param(2, marks=pytest.mark.faults)])
def test_no_fault_changes_half_a_program(step: int) -> None:
    count = stopped = 0
    for fault in FAULTS:
        for k in range(1, 164, step):
            noticed, _ = injected(fault, k)
            stopped += noticed
            count += 1
    assert stopped >= count // 3
    print(f"R2: {count} injected faults, partial updates 0, {stopped} stopped the run")


@pytest.mark.parametrize(
    ("algorithm", "words", "step"),
    [("pareto", "critic", 120), *[pytest.param(a, w, 12, marks=pytest.mark.faults) for a, w in SEARCHES]],
)
def test_no_fault_of_a_search_changes_half_a_program(algorithm: str, words: str, step: int) -> None:
    """Faults of the model hit its proposals and criticisms too."""
    count = stopped = 0
    for fault in FAULTS:
        for k in range(7, 250, step):
            noticed, _ = injected(fault, k, algorithm, words)
            stopped += noticed
            count += 1
    assert stopped >= count // 3
    print(f"R2 ({algorithm}, {words}): {count} injected faults, partial updates 0, {stopped} stopped the run")


class Refusing(MemoryStore):
    """A store that refuses what it is told to write."""

    def __init__(self, error: Exception) -> None:
        super().__init__("memory:")
        self.then = error

    def publish(self, *args: Any, **options: Any) -> Any:
        """Refuse."""
        raise self.then

    def set_parameter_value(self, *args: Any, **options: Any) -> Any:
        """Refuse."""
        raise self.then


@pytest.mark.parametrize("error", [StoreError("disk full"), Conflict("someone was faster")])
def test_a_store_that_refuses_leaves_the_private_parameters_alone_too(error: Exception) -> None:
    program = Answers(Refusing(error))
    before = values_of(program)
    made = trainer(stack(Logged(), cache=False), program, journal=False)
    if isinstance(error, Conflict):
        assert made.train().applied is False
    else:
        with pytest.raises(StoreError, match="disk full"):
            made.train()
    assert values_of(program) == before


def test_a_value_that_someone_wrote_meanwhile_is_not_overwritten() -> None:
    program = Answers()
    seen: list[Any] = []

    def meddle(output: Any, target: Any) -> bool:
        if len(seen) == 60:
            from contextvars import Context

            Context().run(program.style.write, "hasty")
        seen.append(output)
        return metric(output, target)

    result = trainer(stack(Logged(), cache=False), program, journal=False, guide=meddle).train()
    assert result.significant
    assert not result.applied
    assert program.style.value == "hasty"
    assert program.answer.instruction.value == "Answer the question."
    result.apply()
    assert values_of(program) == to_json(result.parameters, result.best.values)
