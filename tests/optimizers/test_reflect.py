"""Reflect: who is rewritten, from what, and how two candidates become one. Models are simulated."""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random
from threading import Barrier
from typing import Any

import pytest

import paragrad as pg
from paragrad.errors import UsageError
from paragrad.optimizers import Reflect
from paragrad.optimizers.reflect import merge
from paragrad.protocols.evidence import Candidate, Evidence, ItemEvidence, ParameterEvidence
from paragrad.testing import check_optimizer


def evidence(feedback: Any = ("wrong in c0", "wrong in c1"), good: int = 3, ids: Any = ("c0", "c1", "c2")) -> Evidence:
    found = {id: ParameterEvidence(id, "text", f"text of {id}", 1, pg.Text(), f"what {id} does", peers=tuple(ids)) for id in ids}
    bad = [ItemEvidence(i, {"x": f"in {i}"}, "wanted", f"out {i}", {"score": 0.0}, said) for i, said in enumerate(feedback)]
    fine = [ItemEvidence(100 + i, {"x": f"fine {i}"}, "wanted", "wanted", {"score": 1.0}) for i in range(good)]
    return Evidence(found, (*bad, *fine), random=Random(1))


class Writer:
    """A simulated model that says what it is told to, and keeps the prompts."""

    def __init__(self, values: Any = None) -> None:
        self.values, self.prompts = values, []  # type: ignore[var-annotated]

    def __call__(self, messages: Any, **_: Any) -> str:
        self.prompts.append(messages[0]["content"])
        wanted = self.wanted(messages[0]["content"])
        values = self.values or {id: f"new {id} {len(self.prompts)}" for id in wanted}
        return json.dumps({"reasoning": "so", "values": {id: v for id, v in values.items() if id in wanted}})

    @staticmethod
    def wanted(prompt: str) -> list[str]:
        part = prompt.partition("# Parameters you may rewrite")[2].partition("# Parameters beside")[0].partition("# What happened")[0]
        return [line[3:] for line in part.splitlines() if line.startswith("## ")]


VALUES = {
    "kit.instruction": "Be brief.",
    "kit.style": "careful",
    "kit.temperature": 0.25,
    "kit.settings": {"steps": 3},
    "kit.labels": ["c"],
    "kit.demos": [{"inputs": {"question": "q"}, "output": "a"}],
}


def replying(prompt: str) -> str:
    """New values of what may be rewritten."""
    wanted = prompt.partition("# Parameters beside")[0]
    return json.dumps({"values": {id: value for id, value in VALUES.items() if f"## {id}\\n" in wanted}})


@pytest.mark.parametrize("components", ["blamed", "one", "all"])
def test_conformance(components: Any) -> None:
    assert check_optimizer(lambda: Reflect(components=components), reply=replying, rounds=2) > 0


def test_one_candidate_rewrites_all_that_are_named_and_shows_the_rest() -> None:
    writer = Writer()
    (candidate,), _ = Reflect().propose(evidence(), Reflect().init([]), n=1, ask=writer)
    assert candidate.changed() == ["c0", "c1"]
    assert candidate.values["c2"] == "text of c2"
    (prompt,) = writer.prompts
    beside = prompt.partition("# Parameters beside")[2].partition("# What happened")[0]
    assert "## c2" in beside
    assert "what c2 does" in beside
    assert "(trained too)" in beside
    assert prompt.index("wrong in c0") < prompt.index("fine "), "the worst first, then what went well"


def test_components_one_and_all() -> None:
    writer = Writer()
    optimizer = Reflect(components="one")
    state = optimizer.init([])
    found, state = optimizer.propose(evidence(), state, n=2, ask=writer)
    assert [c.changed() for c in found] == [["c0"], ["c1"]]
    everyone = evidence(feedback=["wrong"])
    turns = []
    for _ in range(4):
        (one,), state = optimizer.propose(everyone, state, n=1, ask=writer)
        turns += one.changed()
    assert turns == ["c1", "c2", "c0", "c1"], "where nobody is named, everybody has a turn"
    (candidate,), _ = Reflect(components="all").propose(evidence(["c1 is wrong"]), {"turn": 0, "proposed": []}, n=1, ask=writer)
    assert candidate.changed() == ["c0", "c1", "c2"]


def test_nothing_is_asked_when_nothing_is_wrong() -> None:
    for rows in (evidence(feedback=()), replace(evidence(), items=())):
        writer = Writer()
        assert Reflect().propose(rows, Reflect().init([]), n=4, ask=writer)[0] == []
        assert writer.prompts == []


def test_calls_go_out_at_once_and_each_sees_other_rows() -> None:
    together = Barrier(4, timeout=20)
    writer = Writer()

    def ask(messages: Any, **_: Any) -> str:
        together.wait()  # passes only when four calls are on their way
        return writer(messages)

    many = evidence(feedback=[f"wrong in c0, row {i}" for i in range(30)])
    Reflect().propose(many, Reflect().init([]), n=4, ask=ask)
    shown = [frozenset(i for i in range(30) if f"in {i}\n" in prompt) for prompt in writer.prompts]
    assert len(set(shown)) == 4
    assert all(len(rows) == 6 for rows in shown), "eight examples, two of them good"
    again = Writer()
    Reflect().propose(evidence(feedback=[f"wrong in c0, row {i}" for i in range(30)]), Reflect().init([]), n=4, ask=again)
    assert sorted(again.prompts) == sorted(writer.prompts), "the same prompts whatever the order of the threads"


def test_what_was_proposed_before_is_not_proposed_again() -> None:
    optimizer, writer = Reflect(), Writer({"c0": "the same"})
    found, state = optimizer.propose(evidence(), optimizer.init([]), n=3, ask=writer)
    assert len(found) == 1
    assert optimizer.propose(evidence(), json.loads(json.dumps(state)), n=3, ask=writer)[0] == []


def test_a_loop_by_hand() -> None:
    @pg.prompt(model=pg.llm.Fake(lambda request: "hello"))
    def greet(name: str) -> str:
        """Greet."""
        ...

    def reply(request: pg.llm.Request) -> str:
        prompt = str(request.messages[0]["content"])
        assert all(words in prompt for words in ("name: Ann", "→ hello", "feedback: you must shout"))
        return json.dumps({"values": {"greet.instruction": "Greet, loudly."}})

    program: Any = greet
    optimizer = Reflect([program.instruction], model=pg.llm.Fake(reply))
    optimizer.zero_grad()
    optimizer.backward(program("Ann"), "you must shout")
    assert optimizer.step()
    assert program.instruction.value == "Greet, loudly."


def candidate(values: Any, score: float | None = None) -> Candidate:
    spaces = {id: pg.Text() for id in values}
    return Candidate(values, spaces=spaces, scores={} if score is None else {"score": score})


OLD = {"a": "a0", "b": "b0", "c": "c0"}


@pytest.mark.parametrize(
    ("of_a", "of_b", "merged"),
    [
        ({"a": "a1"}, {"b": "b2"}, {"a": "a1", "b": "b2", "c": "c0"}),  # each changed its own
        ({"a": "a1", "c": "c1"}, {"b": "b2", "c": "c2"}, {"a": "a1", "b": "b2", "c": "c2"}),  # both changed c: the better parent's
        ({"a": "a1"}, {"a": "a2"}, None),  # nothing new
        ({"a": "a1"}, {}, None),
        ({"a": "a1"}, {"a": "a1", "b": "b2"}, None),
    ],
)
def test_merge_takes_per_parameter_what_changed(of_a: Any, of_b: Any, merged: Any) -> None:
    a, b, root = candidate({**OLD, **of_a}, 0.5), candidate({**OLD, **of_b}, 0.6), candidate(OLD, 0.4)
    found = Reflect.merge(a, b, root)
    assert (found.values if found else None) == merged
    assert (merge(b, a, root) is None) == (found is None)
    if found:
        assert merge(b, a, root).values == merged, "the order of the parents does not matter"  # type: ignore[union-attr]
        assert found.changed() == [id for id in OLD if merged[id] != OLD[id]]


def test_a_merge_with_a_better_ancestor_is_none() -> None:
    a, b = candidate({**OLD, "a": "a1"}, 0.5), candidate({**OLD, "b": "b2"}, 0.6)
    assert merge(a, b, candidate(OLD, 0.55)) is None
    assert merge(a, b, candidate(OLD, 0.5)) is not None


def test_bad_options_are_refused() -> None:
    with pytest.raises(UsageError, match="blamed"):
        Reflect(components="some")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="fewer good ones"):
        Reflect(examples=2, good=2)


def test_it_finds_the_guilty_component_of_a_program(tmp_path: Any) -> None:
    class Chain(pg.Module):
        def __init__(self) -> None:
            self.first: Any = pg.Generator("One.", inputs=["x"])
            self.second: Any = pg.Generator("Two.", inputs=["y"])

        def forward(self, x: str) -> Any:
            return self.second(y=self.first(x=x))

    def answer(request: pg.llm.Request) -> str:
        said = str(request.messages[-1]["content"])
        return said.upper() if "LOUD" in str(request.messages[0]["content"]) else said

    asked: list[list[str]] = []

    def rewrite(request: pg.llm.Request) -> str:
        wanted = Writer.wanted(str(request.messages[0]["content"]))
        asked.append(wanted)
        return json.dumps({"values": {id: f"LOUD {len(asked)}." for id in wanted}})

    def grade(output: str, target: str) -> tuple[float, str]:
        return float(output == target), "the component second does not shout"

    result = pg.fit(
        Chain(), [(f"w{i}", f"W{i}") for i in range(40)], metric=grade, model=pg.llm.Fake(answer), optimizer="reflect",
        optimizer_model=pg.llm.Fake(rewrite), home=tmp_path, progress=False, budget="600 calls",
    )  # fmt: skip
    assert (result.baseline, result.score) == (0.0, 1.0)
    assert asked
    assert all(wanted == ["second.instruction"] for wanted in asked), "the first component is never touched"
