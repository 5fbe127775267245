"""Whom feedback blames, by reach and by name; and what contrasts between candidates say where it names nobody."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest

import paragrad as pg
from paragrad.optimizers.blame import Names, blamed, credit, imperfect, names_owner
from paragrad.protocols.evidence import Candidate, Evidence, ItemEvidence, ParameterEvidence
from paragrad.trace.accumulator import Contribution

IDS = ("draft.instruction", "draft.demos", "polish.instruction", "second_hop.query", "answer.instruction", "c1", "c10", "k")


def evidence(items: Any = (), ids: Any = IDS, history: Any = (), **trainable: bool) -> Evidence:
    found = {id: ParameterEvidence(id, "text", "x", 1, pg.Text(), trainable=trainable.get(id.replace(".", "_"), True)) for id in ids}
    return Evidence(found, tuple(items), tuple(history))


def row(number: int, score: float | None, feedback: str | None = None, reached: Any = (), **more: Any) -> ItemEvidence:
    scores = {} if score is None else {"score": score}
    return ItemEvidence(number, {}, None, "out", scores, feedback, {id: [feedback or "wrong"] for id in reached}, **more)


def test_imperfect_rows_are_those_that_leave_something_to_wish_for() -> None:
    items = [row(0, 1.0), row(1, 0.5), row(2, 0.0), row(3, None, status="outage"), row(4, 0.5)]
    assert [item.item for item in imperfect(items)] == [2, 1, 4]
    assert [item.item for item in imperfect([row(0, None, "too loud"), row(1, None)])] == [0], "words without a score"
    assert [item.item for item in imperfect([row(0, 1.0), row(1, 7.0)])] == [0, 1], "a scale that does not end at 1 has no perfect row"


def test_feedback_blames_whom_it_reaches() -> None:
    items = [row(0, 0.0, "wrong", ["c1"]), row(1, 0.0, "wrong", ["c1", "c10"]), row(2, 1.0, None, ["draft.demos"])]
    found = blamed(evidence(items))
    assert [(id, [i.item for i in rows]) for id, rows in found] == [("c1", [0, 1]), ("c10", [1])]
    everyone = blamed(evidence([row(0, 0.0, "wrong")]))
    assert [id for id, _ in everyone] == list(IDS), "an opaque graph reaches all"


def test_what_feedback_names_narrows_what_it_reaches() -> None:
    items = [
        row(0, 0.0, "missing r5 in c1, missing r6 in c10.", ["c1", "c10", "draft.instruction"]),
        row(1, 0.0, "the draft is too long", ["draft.instruction", "polish.instruction"]),
        row(2, 0.0, "polish.instruction lost the name", ["draft.instruction", "polish.instruction"]),
        row(3, 0.0, "somebody forgot the date", ["c1", "polish.instruction"]),
    ]
    assert {id: [i.item for i in rows] for id, rows in blamed(evidence(items))} == {
        "c1": [0, 3], "c10": [0], "draft.instruction": [1], "polish.instruction": [2, 3],
    }  # fmt: skip


def test_only_trained_parameters_are_blamed() -> None:
    items = [row(0, 0.0, "c1 is wrong", ["c1", "c10"])]
    assert [id for id, _ in blamed(evidence(items, c1=False))] == ["c10"]
    assert [id for id, _ in blamed(evidence(items), only=["draft.demos", "c10"])] == ["c10"]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("draft.instruction forgot it", {"draft.instruction"}),
        ("the draft component forgot it", {"draft.instruction", "draft.demos"}),
        ("the Draft forgot it", {"draft.instruction", "draft.demos"}),
        ("overdraft, drafting, draft_2 and re-draft", set()),
        ("r1 in c1: no; r2 in c10.", {"c1", "c10"}),
        ("c100 and xc1", set()),
        ("the second hop found nothing", {"second_hop.query"}),
        ("SECOND_HOP found nothing", {"second_hop.query"}),
        ("the query was too long", set()),  # an everyday word
        ("the `query` was too long", {"second_hop.query"}),
        ("the answer was too long", set()),
        ("the answer step was too long", {"answer.instruction"}),
        ('component "answer" was too long', {"answer.instruction"}),
        ("follow the instruction", set()),
        ("demos are missing", set()),  # an everyday word, although only one has this end
        ("the 'demos' are missing", {"draft.demos"}),
        ("okay, k", set()),
        ("the parameter k is too small", {"k"}),
        ("", set()),
    ],
)
def test_names(text: str, named: set[str]) -> None:
    assert Names(IDS).found(text) == named
    assert names_owner(evidence([row(0, 0.0, text)])) == bool(named)


def test_ends_of_names_count_when_they_fit_one() -> None:
    names = Names(["rag.first.rewriter.text", "rag.second.rewriter.text", "rag.second.ranker.limit"])
    assert names.found("the rewriter") == set(), "two components end in it"
    assert names.found("second.rewriter") == {"rag.second.rewriter.text"}
    assert names.found("the ranker") == {"rag.second.ranker.limit"}
    assert names.found("the limit") == {"rag.second.ranker.limit"}
    assert Names([]).found("anything") == set()


def test_the_worst_comes_first_by_what_its_rows_fall_short() -> None:
    items = [row(0, 0.9, "c1", ["c1"]), row(1, 0.9, "c1", ["c1"]), row(2, 0.0, "c10", ["c10"])]
    assert [id for id, _ in blamed(evidence(items))] == ["c10", "c1"]


def test_without_rows_what_was_collected_counts() -> None:
    base = evidence()
    words = {"c1": ["a"], "c10": ["b", "c"]}
    own = {
        id: replace(p, gradients=tuple(Contribution(None, w, "op", "x") for w in words.get(id, ()))) for id, p in base.parameters.items()
    }
    assert blamed(replace(base, parameters=own)) == [("c10", []), ("c1", [])]


def chain_of(effects: dict[str, float], count: int, noise: float, few: int = 1) -> list[Candidate]:
    """Candidates one after the other, each a change of a few Parameters of an earlier one."""
    random = Random(3)
    ids = list(effects)
    spaces = {id: pg.Number() for id in ids}
    history = [Candidate(dict.fromkeys(ids, 0.0), spaces=spaces, scores={"score": 0.5})]
    for _ in range(count):
        parent = random.choice(history)
        changes = {id: random.random() for id in random.sample(ids, few)}
        values = {**parent.values, **changes}
        score = 0.5 + sum(effects[id] * values[id] for id in ids) + random.gauss(0, noise)
        history.append(Candidate(values, spaces=spaces, before=parent.values, scores={"score": score}))
    return history


def test_credit_goes_to_what_makes_the_difference() -> None:
    effects = {"a": 0.0, "b": 0.6, "c": 0.1, "d": -0.3}
    found = credit(chain_of(effects, 60, noise=0.02))
    assert sorted(found, key=lambda id: found[id].influence, reverse=True) == ["b", "d", "c", "a"]
    assert found["b"].gain > 0 > found["d"].gain
    assert all(one.pairs >= 5 for one in found.values())
    two = credit(chain_of(effects, 60, noise=0.02, few=2))
    assert max(two, key=lambda id: two[id].influence) == "b"


def test_credit_needs_scored_relatives_that_differ_in_little() -> None:
    spaces = {id: pg.Number() for id in "abc"}
    one = Candidate({"a": 0, "b": 0, "c": 0}, spaces=spaces, scores={"score": 0.0})
    stranger = Candidate({"a": 1, "b": 0, "c": 0}, spaces=spaces, scores={"score": 1.0})
    many = Candidate({"a": 1, "b": 1, "c": 1}, spaces=spaces, before=one.values, scores={"score": 1.0})
    unscored = Candidate({"a": 1, "b": 0, "c": 0}, spaces=spaces, before=one.values)
    assert credit([one, stranger, many, unscored]) == {}
    siblings = [replace(stranger, base="v3"), replace(one, base="v3")]
    assert credit(siblings)["a"].influence == 1.0
    assert credit([replace(stranger, parents=("x",)), replace(one, parents=("x",))])["a"].gain == 0.0


def test_where_feedback_tells_nobody_apart_credit_decides() -> None:
    history = chain_of({"a": 0.0, "b": 0.1, "c": 0.6}, 40, noise=0.01)
    found = {id: ParameterEvidence(id, "number", 0.0, 1, pg.Number()) for id in "abc"}
    items = (row(0, 0.0, "wrong"),)
    assert [id for id, _ in blamed(Evidence(found, items))] == ["a", "b", "c"]
    assert [id for id, _ in blamed(Evidence(found, items, tuple(history)))] == ["c", "b", "a"]
