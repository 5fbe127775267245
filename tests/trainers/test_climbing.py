"""Climbing, crossing and blaming: what a gated step evaluates, what it keeps, and whom the feedback reaches."""

from __future__ import annotations

from typing import Any

import pytest

from paragrad.optimizers import Transform
from paragrad.protocols.evidence import ItemEvidence
from paragrad.trace import Module, Parameter
from paragrad.trainers.climbing import climb
from paragrad.trainers.crossing import crossed, shortfall
from paragrad.trainers.values import to_json
from tests.trainers.inside import inside
from tests.trainers.scripted import Mixed


class Scripted(Transform):
    """Proposes these changes, all from the values it is shown."""

    def __init__(self, *changes: dict[str, Any], needs: frozenset[str] = frozenset()) -> None:
        super().__init__()
        self.changes, self.needs = changes, needs
        self.told: list[tuple[str, float, bool]] = []
        self.seen: list[Any] = []

    def propose(self, evidence: Any, state: Any, *, n: int = 1, ask: Any) -> Any:
        self.seen.append(evidence)
        return [evidence.candidate(change, origin=str(i)) for i, change in enumerate(self.changes[:n])], state


class Sum(Module):
    """Two numbers' distance to the question; no model."""

    def __init__(self, left: float = 0.0, right: float = 0.0) -> None:
        self.left, self.right = Parameter(left), Parameter(right)

    def forward(self, question: Any) -> Any:
        return self.left + self.right


def goal(output: Any) -> float:
    """1 when the sum is 10."""
    return 1.0 - abs(output - 10) / 10


def climbing(program: Any, optimizer: Any, batches: int = 1, proposals: int = 3, **options: Any) -> Any:
    """What a climb from the program's values comes to, and the rows it evaluated as (candidate number, rows)."""

    def probe(trainer: Any, session: Any, state: Any) -> Any:
        evaluated: list[tuple[int, int]] = []
        whole = session.evaluate_all

        def counted(jobs: Any, *, step: int) -> Any:
            evaluated.extend((job.candidate, len(job.rows)) for job in jobs)
            return whole(jobs, step=step)

        session.evaluate_all = counted
        rows = [trainer.train_rows[4 * i : 4 * i + 4] for i in range(batches)]
        return climb(session, state.best, rows, state.optimizer, step=1, proposals=proposals), evaluated

    return inside(probe, program=program, optimizer=optimizer, **options)[0]


def test_the_best_child_that_beats_its_parent_is_kept() -> None:
    reached, rows = climbing(Sum(), Scripted({"left": 2.0}, {"left": 6.0}, {"left": -4.0}), guide=goal)
    assert reached.values == {"left": 6.0, "right": 0.0}
    assert reached.origins == ["1"]
    assert [(c.origin, e.delta, e.accepted) for c, e in reached.news] == [
        ("0", pytest.approx(0.2), False),
        ("1", pytest.approx(0.6), True),
        ("2", pytest.approx(-0.4), False),
    ]
    assert rows == [(0, 4), (1, 4), (2, 4), (3, 4)], "the parent once, every child once"


def test_a_child_that_is_no_better_changes_nothing() -> None:
    reached, rows = climbing(Sum(), Scripted({"left": 0.0}, {"left": -1.0}), guide=goal)
    assert reached.values == {"left": 0.0, "right": 0.0}
    assert reached.origins == []
    assert rows == [(0, 4), (1, 4)], "what changes nothing is not evaluated"


def test_every_step_starts_from_the_last_one_on_a_fresh_batch() -> None:
    optimizer = Scripted({"left": 4.0}, {"right": 3.0})
    reached, rows = climbing(Sum(), optimizer, batches=2, guide=goal)
    assert reached.values == {"left": 4.0, "right": 3.0}
    assert reached.origins == ["0", "1"]
    assert rows == [(0, 4), (1, 4), (2, 4), (16, 4), (17, 4)]
    first, second = ([item.item for item in seen.items] for seen in optimizer.seen)
    assert not set(first) & set(second)


def test_a_batch_without_a_mistake_is_passed_over() -> None:
    optimizer = Scripted({"left": 4.0})
    reached, rows = climbing(Sum(4.0, 6.0), optimizer, batches=2, guide=goal, validate=None)
    assert (optimizer.seen, reached.news, len(rows)) == ([], [], 2)


# --- crossing ----------------------------------------------------------------------------------------


def item(score: float, **blamed: str) -> ItemEvidence:
    return ItemEvidence(0, {}, None, "", {"score": score}, gradients={id: [words] for id, words in blamed.items()})


def test_crossing_takes_of_every_part_the_version_that_is_blamed_least() -> None:
    first = ({"a": 1, "b": 1, "c": 1}, [item(0.5, a="bad"), item(1.0)])
    second = ({"a": 2, "b": 2, "c": 1}, [item(0.5, b="bad"), item(0.5, b="bad")])
    parent = ({"a": 0, "b": 0, "c": 0}, [item(0.0, a="bad", b="bad", c="bad"), item(0.0, c="bad")])
    assert crossed([first, second, parent]) == {"a": 2, "b": 1, "c": 1}
    assert crossed([first]) == first[0]
    assert crossed([parent, (first[0], parent[1])]) == parent[0], "of equals the first"


def test_the_shortfall_of_right_rows_is_nobodys() -> None:
    assert shortfall([item(1.0, a="fine"), item(0.25, a="bad")], ["a", "b"]) == {"a": 0.75, "b": 0.0}


class Halves(Module):
    """Two parts that fail by themselves: the feedback is about one of them."""

    def __init__(self) -> None:
        self.left, self.right = Parameter("l0"), Parameter("r0")

    def forward(self, question: Any) -> Any:
        return self.left + " " + self.right


def halves(output: Any) -> tuple[float, str]:
    """What is wrong, by name."""
    left, right = output.split()
    wrong = [name for name, good in (("left", left == "l1"), ("right", right == "r2")) if not good]
    return 1 - 0.4 * len(wrong), " ".join(f"{name} is wrong." for name in wrong)


def test_children_that_are_each_right_in_one_part_are_crossed() -> None:
    optimizer = Scripted({"left": "l1", "right": "r1"}, {"left": "l2", "right": "r2"}, needs=frozenset({"blame"}))
    reached, rows = climbing(Halves(), optimizer, guide=halves)
    assert reached.values == {"left": "l1", "right": "r2"}
    assert reached.origins == ["cross of 2"]
    assert rows == [(0, 4), (1, 4), (2, 4), (15, 4)]


def test_a_cross_that_is_nothing_new_is_not_evaluated() -> None:
    optimizer = Scripted({"left": "l1"}, {"left": "l2"}, needs=frozenset({"blame"}))
    _, rows = climbing(Halves(), optimizer, guide=halves)
    assert rows == [(0, 4), (1, 4), (2, 4)]


# --- blaming -----------------------------------------------------------------------------------------


def evidence(program: Any, needs: set[str], guide: Any, **options: Any) -> tuple[Any, Any]:
    """What an optimizer with these needs is shown of four rows, and the backend."""
    optimizer = Scripted(needs=frozenset(needs))

    def probe(trainer: Any, session: Any, state: Any) -> Any:
        base = session.evaluate(state.best, trainer.train_rows[:4], step=1, learn=True)
        session.propose(state.best, base, state.optimizer, step=1, n=2)
        return optimizer.seen[0]

    return inside(probe, program=program, optimizer=optimizer, guide=guide, **options)


def asked_critics(wire: Any) -> int:
    return sum("# Wanted" in str(request.messages) for request in wire.requests)


def test_rows_without_a_mistake_send_nothing_back() -> None:
    found, wire = evidence(Mixed(), {"gradients"}, lambda output: 1.0)
    assert asked_critics(wire) == 0
    assert all(not p.gradients for p in found.parameters.values())
    assert all(not row.gradients for row in found.items)


def test_only_wrong_rows_are_criticised() -> None:
    def guide(output: Any, row: Any) -> tuple[float, str]:
        return (0.0, "wrong") if row.inputs["question"] == "qx2" else (1.0, "fine")

    found, wire = evidence(Mixed(), {"gradients"}, guide)
    assert asked_critics(wire) == 3, "the model call, the style in words, the mark"
    assert [bool(row.gradients) for row in found.items] == [False, False, True, False]
    assert {"style", "cut", "answer.instruction"} <= set(found.items[2].gradients) <= {"style", "cut", "answer.instruction", "answer.demos"}


class Branches(Module):
    """One of two Parameters is read, by the question."""

    def __init__(self) -> None:
        self.even, self.odd = Parameter("even"), Parameter("odd")

    def forward(self, question: Any) -> Any:
        return (self.even if int(question[-1]) % 2 == 0 else self.odd) + "!"


def test_words_reach_the_parameters_that_took_part_and_no_others() -> None:
    found, wire = evidence(Branches(), {"blame"}, lambda output, row: (0.0, f"{row.inputs['question']} is wrong"))
    assert wire.calls == 0
    assert [set(row.gradients) for row in found.items] == [{"even"}, {"odd"}, {"even"}, {"odd"}]
    assert [c.value for c in found.parameters["even"].gradients] == ["qx0 is wrong", "qx2 is wrong"]
    assert [c.item for c in found.parameters["odd"].gradients] == [found.items[1].item, found.items[3].item]


def test_graphs_of_plain_operators_are_their_rows() -> None:
    found, _ = evidence(Branches(), {"graph"}, lambda output: (0.0, "wrong"))
    assert all(row.graph for row in found.items)
    used = [{o.parameter for call in row.graph for o in call.operands if o.parameter} for row in found.items]
    assert used == [{"even"}, {"odd"}, {"even"}, {"odd"}]


def test_a_metric_without_words_blames_with_its_score_and_what_was_wanted() -> None:
    found, _ = evidence(Branches(), {"blame"}, lambda output, target: 0.5)
    assert [c.value for c in found.parameters["even"].gradients] == [
        "The score of this output is 0.5. Wanted was: 'ax0'",
        "The score of this output is 0.5. Wanted was: 'ax2'",
    ]


def test_blame_leaves_the_values_and_the_other_candidates_alone() -> None:
    program = Branches()

    def probe(trainer: Any, session: Any, state: Any) -> Any:
        from paragrad.trainers.jobs import Job

        rows = trainer.train_rows[:2]
        jobs = [Job({"even": f"e{i}", "odd": "o"}, rows, i, record=True) for i in range(3)]
        found = [session.blamed(one, step=1, ask=False) for one in session.evaluate_all(jobs, step=1)]
        return [[c.value for c in one.gradients["even"]] for one in found], to_json(trainer.parameters, session.values())

    said, values = inside(probe, program=program, optimizer=Scripted(needs=frozenset({"blame"})), guide=lambda output: (0.0, output))[0]
    assert said == [["e0!"], ["e1!"], ["e2!"]]
    assert values == to_json({"even": program.even, "odd": program.odd}, {"even": "even", "odd": "odd"})
