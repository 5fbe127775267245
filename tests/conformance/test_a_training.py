"""Section A, the part that trains: teachers, training by scores alone, demos drawn by weight."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any, Literal

import pytest

import paragrad as pg
from paragrad.errors import NothingToTrain, ParagradError, UsageError
from paragrad.llm import stack
from paragrad.modules import Generator, prompt, teacher
from paragrad.optimizers import BootstrapFewShot, EditSearch
from paragrad.optimizers.base import evidence_of
from paragrad.optimizers.bootstrap import SMOOTHING
from paragrad.propagators import Text
from paragrad.protocols.data import Episode, Step
from paragrad.protocols.evidence import Evidence, ItemEvidence
from paragrad.spaces import Demos
from paragrad.trace import Module, Parameter, Variable, bundle
from paragrad.trainers import MinibatchAlgorithm
from tests.faults.trainee import Logged, percent, rows


@bundle(effects=())
def searched(question: str) -> str:
    """Finds passages."""
    return f"passages about {question}"


class Program(Module):
    """A search and two questions to a model."""

    def __init__(self) -> None:
        self.plan = Generator("Plan it.", demos=2, inputs=["question"])
        self.answer = Generator("Answer it.", demos=2, inputs=["passages", "hint"])

    def forward(self, question: Any, hint: Any = None) -> Any:
        """Plan, search, answer."""
        return self.answer(passages=searched(self.plan(question=question)), hint=hint)


def test_A10_a_teacher_uses_no_trainable_parameter_and_records_no_graph(left_alive: Any) -> None:
    program, wire = Program(), pg.llm.Fake(lambda request: "fine")
    with pg.llm.use(wire), teacher() as steps:
        out = program("why?")
        assert isinstance(out, Variable)
        assert not out.requires_grad
        assert not out.predecessors
        assert not program.plan.instruction._n.requires
    assert [step.component for step in steps] == ["plan", "searched", "answer"]
    assert [dict(step.input_args) for step in steps] == [
        {"question": "why?"}, {"question": "fine"}, {"passages": "passages about fine", "hint": None}
    ]  # fmt: skip
    assert [step.output for step in steps] == ["fine", "passages about fine", "fine"]
    for request in wire.requests:
        assert "None" not in str([message["content"] for message in request.messages])
        assert [message["role"] for message in request.messages] == ["system", "user"]
    assert program.plan.instruction.requires_grad, "outside nothing has changed"


def test_A10_a_teacher_that_would_train_something_is_an_error() -> None:
    program = Program()
    optimizer = EditSearch(program.parameters("text"), bank=("Think.",))
    before = program.state_dict()
    with pg.llm.use(pg.llm.Fake(lambda request: "fine")):
        with teacher(), pytest.raises(NothingToTrain):
            program("why?").backward("wrong")
        with teacher(), pytest.raises(UsageError, match="inside a teacher"):
            optimizer.step()
        with teacher(), pytest.raises(UsageError, match="inside a teacher"):
            program.plan.instruction.data = "Other."
        with teacher(), pytest.raises(UsageError, match=r"started inside pg\.teacher"):
            train(program, Logged()).train()
    assert program.state_dict() == before


def test_A10_teachers_in_threads_keep_their_own_steps() -> None:
    from concurrent.futures import ThreadPoolExecutor

    program = Program()

    def run(number: int) -> list[Any]:
        with pg.llm.use(pg.llm.Fake(lambda request: f"answer {number}")), teacher() as steps:
            program(f"question {number}")
        return [step.output for step in steps]

    with ThreadPoolExecutor(8) as pool:
        for number, outputs in enumerate(pool.map(run, range(40))):
            assert outputs == [f"answer {number}", f"passages about answer {number}", f"answer {number}"]


@prompt(demos=3)
def kind(question: str) -> Literal["odd", "even"]:
    """Say what it is."""
    ...


class FewShot(Module):
    """One component with demos, its instruction fixed."""

    def __init__(self) -> None:
        self.answer = Generator(Variable("Say what it is."), demos=3, inputs=["question"])

    def forward(self, question: Any) -> Any:
        return self.answer(question=question)


def by_demos(request: Any) -> str:
    """Better with more demos."""
    question = request.messages[-1]["content"]
    return f"a{question[1:]}" if percent(question) < 40 + 25 * (len(request.messages) // 2 - 1) else "no idea"


def train(program: Any, wire: Any, **options: Any) -> Any:
    class Easy(MinibatchAlgorithm):
        alpha = 0.3

    def score(output: Any, target: Any) -> bool:
        return bool(output == target)

    loader = pg.DataLoader(rows("x", 24), 8, shuffle=True)
    given = {"optimizer": BootstrapFewShot(), "validate": rows("v", 24), "journal": False, **options}
    return Easy(program, given.pop("optimizer"), loader, score, model=stack(wire, cache=False), **given)


def test_A13_few_shot_training_needs_scores_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: Counter[str] = Counter()

    def counted(name: str) -> Any:
        def refuse(*args: Any, **kwargs: Any) -> Any:
            counts[name] += 1
            raise AssertionError(f"{name} was used")

        return refuse

    monkeypatch.setattr("paragrad.optimizers.sending.backward", counted("backward"))
    monkeypatch.setattr("paragrad.trainers.blaming.backward", counted("backward"))
    monkeypatch.setattr(Text, "pull", counted("critic"))
    monkeypatch.setattr("paragrad.trainers.session.Session._ask", counted("optimizer model"))
    program, wire = FewShot(), Logged(script=by_demos)
    result = train(program, wire).train()
    assert not counts
    assert result.significant
    assert len(program.answer.demos.value) >= 1
    assert result.spent["phases"].keys() == {"task"}
    assert result.spent["calls"] == wire.count


def item(number: int, score: float, *, output: str | None = None, status: str = "ok") -> ItemEvidence:
    """A row, its score, and what its one component did."""
    inputs, said = {"question": f"q{number}"}, output or f"said {number}"
    episode = Episode((Step("answer", inputs, said),), said, score, number)
    return ItemEvidence(number, inputs, f"target {number}", said, {"score": score}, episodes=(episode,), status=status)


def drawn(teacher_scores: dict[int, float], student_scores: dict[int, float], raw: int, shots: int, draws: int) -> Counter[str]:
    """How often every row's demo is drawn first of one."""
    found: Counter[str] = Counter()
    demos: Any = Parameter(None, name="answer.demos", space=Demos(max_shots=shots))
    for seed in range(draws):
        evidence = Evidence(
            {"answer.demos": evidence_of(demos)},
            [item(n, s) for n, s in student_scores.items()],
            random=Random(seed),
            teacher=[item(n, s, output=f"taught {n}") for n, s in teacher_scores.items()],
        )
        optimizer = BootstrapFewShot(raw_shots=raw, threshold=0.0)
        (candidate,), _ = optimizer.propose(evidence, optimizer.init([demos]), n=1, ask=lambda *_: "")
        found.update(demo.output for demo in candidate.values["answer.demos"])
    return found


def test_A17_bootstrapped_demos_are_weighted_by_teacher_minus_student() -> None:
    draws = 4000
    teachers, students = {1: 1.0, 2: 1.0, 3: 0.5, 4: 0.2}, {1: 0.0, 2: 0.5, 3: 0.5, 4: 0.9}
    found = drawn(teachers, students, raw=0, shots=1, draws=draws)
    weights = {n: max(0.0, teachers[n] - students[n]) + SMOOTHING for n in teachers}
    for n, weight in weights.items():
        assert found[f"taught {n}"] / draws == pytest.approx(weight / sum(weights.values()), abs=0.03)


def test_A17_raw_demos_are_weighted_by_one_minus_student_and_hold_the_target() -> None:
    draws = 4000
    students = {1: 0.0, 2: 0.5, 3: 1.0}
    found = drawn(students, students, raw=1, shots=1, draws=draws)
    assert found["target 1"] / draws == pytest.approx(2 / 3, abs=0.03)
    assert found["target 2"] / draws == pytest.approx(1 / 3, abs=0.03)
    assert found["target 3"] == 0
    assert not any(output.startswith("taught") for output in found)


def test_A17_failures_and_outages_are_no_examples() -> None:
    demos: Any = Parameter(None, name="answer.demos", space=Demos(max_shots=3))
    items = [item(1, 1.0), item(2, 0.0, status="error"), ItemEvidence(3, {}, None, None, {}, status="outage")]
    optimizer = BootstrapFewShot()
    found, _ = optimizer.propose(Evidence({"answer.demos": evidence_of(demos)}, items), optimizer.init([demos]), n=4, ask=lambda *_: "")
    assert {demo.output for candidate in found for demo in candidate.values["answer.demos"]} == {"said 1"}


def test_A17_the_same_demos_at_any_number_of_workers() -> None:
    chosen = []
    for workers in (1, 4, 32):
        program = FewShot()
        train(program, Logged(script=by_demos, seconds=0.003, seed=workers), workers=workers).train()
        chosen.append(program.answer.demos.value)
    assert chosen[0] == chosen[1] == chosen[2]
    assert chosen[0]


def test_A17_demos_survive_their_way_through_a_prompt() -> None:
    made: Any = kind
    made.demos.data = [({"question": "3"}, "odd"), ({"question": "4"}, "even")]
    wire = pg.llm.Fake(lambda request: "odd")
    with pg.llm.use(wire):
        assert made.predict("7") == "odd"
    roles = [(message["role"], message["content"]) for message in wire.requests[0].messages[1:]]
    assert roles == [("user", "3"), ("assistant", "odd"), ("user", "4"), ("assistant", "even"), ("user", "7")]
    with pytest.raises((ParagradError, TypeError, ValueError)):
        made.demos.data = [("no", "such", "shape")]
