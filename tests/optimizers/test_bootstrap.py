"""BootstrapFewShot: every component learns from its own calls."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

import paragrad as pg
from paragrad.optimizers import BootstrapFewShot
from paragrad.protocols.data import Episode, Step
from paragrad.protocols.evidence import Evidence, ItemEvidence, ParameterEvidence
from paragrad.spaces import Demos
from paragrad.testing import check_optimizer
from paragrad.trainers import MinibatchAlgorithm
from paragrad.trainers.evaluation import Evaluation


def evidence(items: Any, teacher: Any = (), *ids: str, seed: int = 0) -> Evidence:
    found = {id: ParameterEvidence(id, "demos", (), 1, Demos(max_shots=8)) for id in ids or ("plan.demos", "answer.demos")}
    return Evidence(found, tuple(items), random=Random(seed), teacher=tuple(teacher))


def run(number: int, score: float, steps: Any, output: Any = None) -> ItemEvidence:
    """A row whose components did these steps: (component, input, output)."""
    made = tuple(Step(component, {"x": given}, said) for component, given, said in steps)
    said = output if output is not None else made[-1].output
    return ItemEvidence(
        number, {"q": f"q{number}"}, f"target {number}", said, {"score": score}, episodes=(Episode(made, said, score, number),)
    )


def first(optimizer: BootstrapFewShot, given: Evidence, state: Any = None) -> Any:
    found, state = optimizer.propose(given, state or optimizer.init([]), n=1, ask=None)
    json.dumps(state)
    return (found[0].values if found else None), state


def pairs(demos: Any) -> set[tuple[Any, Any]]:
    return {(demo.inputs["x"], demo.output) for demo in demos}


def test_each_component_gets_its_own_calls() -> None:
    items = [run(i, 1.0, [("plan", f"q{i}", f"p{i}"), ("answer", f"p{i}", f"a{i}")]) for i in range(3)]
    values, _ = first(BootstrapFewShot(), evidence(items))
    assert pairs(values["plan.demos"]) == {(f"q{i}", f"p{i}") for i in range(3)}
    assert pairs(values["answer.demos"]) == {(f"p{i}", f"a{i}") for i in range(3)}


def test_of_a_component_called_in_a_loop_any_call_may_be_shown() -> None:
    items = [run(0, 1.0, [("plan", f"x{i}", f"y{i}") for i in range(6)] + [("answer", "z", "a")])]
    seen = set()
    for seed in range(40):
        values, state = first(BootstrapFewShot(), evidence(items, seed=seed))
        seen |= pairs(values["plan.demos"])
    assert seen == {(f"x{i}", f"y{i}") for i in range(2, 6)}, "the last four are kept"
    assert len(state["runs"]["plan"]["0"]["calls"]) == 4


def test_raw_demos_only_where_the_target_is_what_a_component_says() -> None:
    items = [run(i, 0.0, [("plan", f"q{i}", f"p{i}"), ("answer", f"p{i}", f"a{i}")]) for i in range(4)]
    values, _ = first(BootstrapFewShot(raw_shots=2), evidence(items))
    assert pairs(values["answer.demos"]) <= {(f"p{i}", f"target {i}") for i in range(4)}
    assert len(values["answer.demos"]) == 2
    assert values["plan.demos"] == (), "a plan is no answer"
    later = [run(i, 0.0, [("answer", f"q{i}", f"a{i}"), ("log", f"a{i}", "done")], output=f"a{i}") for i in range(2)]
    assert len(first(BootstrapFewShot(raw_shots=2), evidence(later, (), "answer.demos"))[0]["answer.demos"]) == 2, (
        "its output is the program's"
    )


def test_teachers_show_what_students_cannot() -> None:
    students = [run(i, 0.0, [("answer", f"q{i}", "no idea")]) for i in range(3)]
    teachers = [run(i, 1.0, [("answer", f"q{i}", f"a{i}")]) for i in range(2)]
    values, state = first(BootstrapFewShot(), evidence(students, teachers, "answer.demos"))
    assert pairs(values["answer.demos"]) == {("q0", "a0"), ("q1", "a1")}
    better = run(2, 1.0, [("answer", "q2", "a2")])
    candidate = evidence(students, (), "answer.demos").candidate({})
    state = BootstrapFewShot().observe(state, candidate, Evaluation((better,)))
    values, _ = first(BootstrapFewShot(), evidence(students, teachers, "answer.demos"), state)
    assert ("q2", "a2") in pairs(values["answer.demos"]), "a better candidate teaches too"


def test_a_worse_run_never_replaces_a_better_one() -> None:
    good, bad = run(0, 1.0, [("answer", "q", "good")]), run(0, 0.6, [("answer", "q", "bad")])
    _, state = first(BootstrapFewShot(), evidence([good], (), "answer.demos"))
    values, _ = first(BootstrapFewShot(), evidence([bad], (), "answer.demos"), state)
    assert pairs(values["answer.demos"]) == {("q", "good")}


def test_conformance() -> None:
    assert check_optimizer(lambda: BootstrapFewShot(raw_shots=2), rounds=2) > 0


class Odd(pg.Module):
    """Says whether a number is odd."""

    def __init__(self) -> None:
        self.answer: Any = pg.Generator(pg.Variable("Odd or even?"), demos=4, inputs=["x"])

    def forward(self, x: str) -> Any:
        return self.answer(x=x)


def truth(x: str) -> str:
    return "odd" if int(x) % 2 else "even"


def weak(request: pg.llm.Request) -> str:
    """A simulated model that understands the question once it has seen an example."""
    question = str(request.messages[-1]["content"])
    return truth(question) if len(request.messages) > 2 or question[-1] in "13" else "no idea"


class Teacher(pg.Module):
    """A program that knows, with a component of the same name."""

    def __init__(self) -> None:
        self.answer: Any = pg.Generator(
            pg.Variable("Odd or even?"), inputs=["x"], model=pg.llm.Fake(lambda r: truth(str(r.messages[-1]["content"])))
        )

    def forward(self, x: str) -> Any:
        return self.answer(x=x)


TEACHERS = {"a model": lambda: pg.llm.Fake(lambda request: truth(str(request.messages[-1]["content"]))), "a program": Teacher}


@pytest.mark.parametrize("kind", sorted(TEACHERS))
def test_a_named_teacher_is_run_on_what_the_student_got_wrong(tmp_path: Any, kind: str) -> None:
    class Two(MinibatchAlgorithm):
        steps, patience = 2, 9

    seen: list[Evidence] = []

    class Watched(BootstrapFewShot):
        def propose(self, evidence: Evidence, state: Any, *, n: int = 1, ask: Any) -> Any:
            seen.append(evidence)
            return super().propose(evidence, state, n=n, ask=ask)

    program, teacher = Odd(), TEACHERS[kind]()
    rows = [(str(i), truth(str(i))) for i in range(40)]
    student = pg.llm.Fake(weak)
    loader = pg.DataLoader(pg.data.rows(rows), 10, shuffle=True, seed=1)
    result = Two(program, Watched(teacher=teacher), loader, "exact_match", model=student, home=tmp_path, parameters=["*.demos"]).train()
    for evidence in seen:
        wrong = {item.item for item in evidence.items if item.score == 0.0}
        assert [t.score for t in evidence.teacher] == [1.0] * len(evidence.items)
        assert [t.item for t in evidence.teacher] == [i.item for i in evidence.items]
        assert all((t is i) == (i.item not in wrong) for t, i in zip(evidence.teacher, evidence.items, strict=True)), (
            "right rows teach themselves"
        )
    taught = sum(item.score == 0.0 for evidence in seen for item in evidence.items)
    assert result.spent["phases"]["teacher"]["calls"] == taught > 0
    if kind == "a model":
        assert len(teacher.requests) == taught
    assert result.score > result.baseline


def test_values_may_teach(tmp_path: Any) -> None:
    program, rows = Odd(), [(str(i), truth(str(i))) for i in range(40)]
    shown = tuple(pg.Demo({"x": str(d)}, truth(str(d))) for d in (0, 2, 4, 6))
    optimizer = BootstrapFewShot(teacher={"answer.demos": shown})
    result = pg.fit(
        program, rows, metric="exact_match", model=pg.llm.Fake(weak), optimizer=optimizer, home=tmp_path, progress=False, budget="600 calls"
    )
    assert result.spent["phases"]["teacher"]["calls"] > 0
    assert result.score > result.baseline
    assert program.answer.demos.value
