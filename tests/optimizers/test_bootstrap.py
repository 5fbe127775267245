"""BootstrapFewShot: every component learns from its own calls."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from paragrad.optimizers import BootstrapFewShot
from paragrad.protocols.data import Episode, Step
from paragrad.protocols.evidence import Evidence, ItemEvidence, ParameterEvidence
from paragrad.spaces import Demos
from paragrad.testing import check_optimizer
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
