"""Conformance kit of trainers: ``check_trainer(MyTrainer)``."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextvars import Context
from threading import Lock
from typing import Any

from paragrad import registry
from paragrad.data import DataLoader, rows
from paragrad.errors import NotConnected, Outage, UsageError
from paragrad.llm import stack
from paragrad.llm.fake import Fake
from paragrad.modules import Generator
from paragrad.optimizers import BootstrapFewShot, EditSearch, partition
from paragrad.spaces import Choice
from paragrad.trace import Module, Parameter
from paragrad.trainers.values import to_json

BUDGET = 400
BANK = ("Think first.", "Never guess.", "Use few words.")
GOOD = {"Think first.": 35, "careful": 25, "Never guess.": -20}


class Kit(Module):
    """The program that is trained: one instruction, one style, some demos."""

    def __init__(self) -> None:
        self.style: Parameter[str] = Parameter("plain", space=Choice(["plain", "careful", "short"]))
        self.answer: Any = Generator("Answer.", demos=2, template="{instruction} {style}")

    def forward(self, question: Any) -> Any:
        """Ask."""
        return self.answer(question=question, style=self.style)


def check_trainer(make: Callable[..., Any], *, optimizers: Sequence[Any] | None = None) -> None:
    """Check the laws of a trainer.

    It ends within its budget, whatever the optimizer; it gives the same result at any number of workers
    and after an interruption; it never changes the program before the end; the score it reports is
    the score of the values it returns.

    Args:
        make: the trainer's class, called as ``make(agent, optimizer, loader, guide, **options)``.
        optimizers: what it must work with; None: every registered one that can be made without arguments.

    Raises:
        AssertionError: names the law that is broken.
    """
    _check_outcome(make)
    _check_interruption(make)
    for optimizer in _every_optimizer() if optimizers is None else optimizers:
        wire, program = Fake(_reply), Kit()
        try:
            _trainer(make, program, stack(wire, cache=False), optimizer, journal=False).train()
        except UsageError:
            continue  # it does not serve these Parameters, and says so
        _law(wire.calls <= BUDGET, f"with {optimizer!r}, {wire.calls} calls were made of at most {BUDGET}")


def _check_outcome(make: Callable[..., Any]) -> None:
    results = []
    for workers in (1, 4):
        program, wire = Kit(), Fake(_reply)
        versions = len(program.style.history())
        seen: list[int] = []

        def judge(output: Any, target: Any, program: Any = program, seen: list[int] = seen) -> bool:
            seen.append(Context().run(lambda: len(program.style.history())))
            return bool(output == target)

        result = _trainer(make, program, stack(wire, cache=False), _optimizer(), guide=judge, workers=workers, journal=False).train()
        _law(set(seen) == {versions}, "the program is not changed before the end")
        _law(wire.calls <= BUDGET, f"a budget of {BUDGET} calls is not passed: {wire.calls} were made")
        results.append(result)
    _law(results[0].sha256 == results[1].sha256, "one worker and four give the same result")
    _check_score(results[0])


def _check_score(result: Any) -> None:
    """The reported score is that of the best values on the validation rows."""
    program, model = Kit(), stack(Fake(_reply), cache=False)
    named = {p.id: p for p in program.parameters()}
    for id, value in result.best.values.items():
        named[id].data = value
    right = [program.bind(model=model).predict(question=f"qv{i}") == f"av{i}" for i in range(16)]
    _law(abs(sum(right) / len(right) - result.score) < 1e-9, f"the reported score {result.score} is that of the returned values")


def _check_interruption(make: Callable[..., Any]) -> None:
    with tempfile.TemporaryDirectory() as home:
        calm = _trainer(make, Kit(), stack(Fake(_reply), cache=False), _optimizer(), home=home, run="calm").train()
        for left in (5, 45, 90):
            program = Kit()
            before = _values(program)
            dying = stack(Fake(_dying(left)), cache=False, retries=0)
            try:
                _trainer(make, program, dying, _optimizer(), home=home, run=f"r{left}").train()
            except Outage:
                _law(_values(program) == before, "an outage changes nothing")
                wire = Fake(_reply)
                again = _trainer(make, Kit(), stack(wire, cache=False), _optimizer(), home=home, run=f"r{left}").train()
                _law(again.sha256 == calm.sha256, f"a run interrupted after {left} calls comes to the same result")
                _law(wire.calls <= calm.spent["calls"] - left, "answered calls are not asked again")


def _trainer(make: Callable[..., Any], program: Any, model: Any, optimizer: Any, **options: Any) -> Any:
    guide = options.pop("guide", _same)
    loader = DataLoader(_rows("x", 12), 6, shuffle=True)
    return make(
        program, optimizer, loader, guide, validate=_rows("v", 16), budget=f"{BUDGET} calls", model=model, optimizer_model=model, **options
    )


def _optimizer() -> Any:
    edit = EditSearch(bank=BANK)
    return partition({"text": edit, "choice": edit, "demos": BootstrapFewShot()})


def _every_optimizer() -> list[Any]:
    made = [_optimizer()]
    for name in registry.optimizers.names():
        try:
            made.append(registry.optimizers.get(name)())
        except TypeError:  # it wants arguments
            continue
    return made


def _rows(name: str, count: int) -> Any:
    return rows([(f"q{name}{i}", f"a{name}{i}") for i in range(count)]).bind(["question"])


def _same(output: Any, target: Any) -> bool:
    return bool(output == target)


def _reply(request: Any) -> str:
    """Right for as many questions as the prompt is good."""
    system, question = str(request.messages[0]["content"]), str(request.messages[-1]["content"])
    skill = 15 + sum(worth for phrase, worth in GOOD.items() if phrase in system) + 4 * len(request.messages)
    return f"a{question[1:]}" if sum(map(ord, question * 7)) * 37 % 100 < skill else "no idea"


def _dying(left: int) -> Callable[[Any], str]:
    lock = Lock()
    calls = [left]

    def reply(request: Any) -> str:
        with lock:
            calls[0] -= 1
            if calls[0] < 0:
                raise NotConnected("the server is gone")
        return _reply(request)

    return reply


def _values(program: Module) -> Any:
    named = {p.id: p for p in program.parameters()}
    return to_json(named, {id: p.value for id, p in named.items()})


def _law(holds: bool, text: str) -> None:
    if not holds:
        raise AssertionError(f"check_trainer: {text}")
