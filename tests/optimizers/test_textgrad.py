"""TextGrad: only what is blamed is rewritten, all at once; what it remembers; how candidates differ. Models are simulated."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest

import paragrad as pg
from paragrad.errors import ServerFailed
from paragrad.optimizers import TextGrad
from paragrad.protocols.evidence import Evidence, ItemEvidence, ParameterEvidence
from paragrad.testing import check_optimizer
from paragrad.trace.accumulator import Contribution
from paragrad.trainers.evaluation import Evaluation


def of(id: str, value: Any, space: Any, said: Sequence[tuple[Any, str]] = (), **more: Any) -> ParameterEvidence:
    gradients = tuple(Contribution(item, words, "answer", "instruction") for item, words in said)
    return ParameterEvidence(id, space.kind, value, 1, space, gradients=gradients, **more)


def row(item: Any, score: float, **more: Any) -> ItemEvidence:
    return ItemEvidence(item, {"question": f"question {item}"}, f"target {item}", f"answer {item}", {"score": score}, **more)


TEXT = of("p.text", "Say it.", pg.Text(), [(1, "say it louder"), (0, "say it twice")], peers=("p.style", "p.fixed"), constraint="be polite")
STYLE = of("p.style", "calm", pg.Choice(["calm", "loud"]), [(1, "not calm")])
QUIET = of("p.quiet", 3, pg.Number(low=0, high=8))
FIXED = of("p.fixed", "Always.", pg.Text(), [(1, "never")], trainable=False)
CODE = of("p.code", "def f(): ...", pg.Code(), [(1, "wrong")])
ROWS = (row(0, 0.5), row(1, 0.0), row(2, 1.0))
EVIDENCE = Evidence({p.id: p for p in (TEXT, STYLE, QUIET, FIXED, CODE)}, ROWS, random=Random(1))
START: dict[str, Any] = {"history": {}, "tried": {}}


class Writer:
    """A scripted (simulated) rewriter that keeps the prompts it was sent."""

    def __init__(self, answer: Callable[[str, str, int], Any]) -> None:
        self.answer = answer
        self.prompts: list[str] = []

    def __call__(self, messages: Any, **_: Any) -> str:
        prompt = messages[-1]["content"]
        self.prompts.append(prompt)
        id = prompt.partition("## ")[2].partition("\n")[0]
        return json.dumps({"values": {id: self.answer(id, prompt, len(self.prompts))}})

    def about(self, id: str) -> list[str]:
        return [p for p in self.prompts if p.partition("## ")[2].startswith(f"{id}\n")]


def plain(id: str, prompt: str, number: int) -> Any:
    return {"p.text": "Say it louder.", "p.style": "loud"}[id]


def test_conformance() -> None:
    values = {
        "kit.instruction": "Be brief.",
        "kit.style": "careful",
        "kit.temperature": 0.25,
        "kit.settings": {"steps": 3},
        "kit.labels": ["c"],
    }

    def reply(prompt: str) -> str:
        return json.dumps({"values": {id: value for id, value in values.items() if f"## {id}\\n" in prompt.partition("# Beside it")[0]}})

    assert check_optimizer(TextGrad, reply=reply) > 0


def test_one_rewrite_for_each_blamed_parameter_and_none_for_the_rest() -> None:
    writer = Writer(plain)
    (candidate,), _ = TextGrad().propose(EVIDENCE, START, ask=writer)
    assert candidate.values == {"p.text": "Say it louder.", "p.style": "loud", "p.quiet": 3, "p.code": "def f(): ..."}
    assert candidate.origin == "TextGrad rewrites p.text, p.style"
    assert len(writer.prompts) == 2
    nothing, state = TextGrad().propose(replace(EVIDENCE, parameters={"p.quiet": QUIET}), START, n=3, ask=writer)
    assert (nothing, state, len(writer.prompts)) == ([], START, 2)


def test_the_rewriter_sees_rules_peers_and_examples_worst_first() -> None:
    writer = Writer(plain)
    TextGrad(constraints="no shouting", in_context=["Sing it."]).propose(EVIDENCE, START, ask=writer)
    (prompt,) = writer.about("p.text")
    style = "## p.style\nkind: choice {'options': ['calm', 'loud']}"
    fixed = "Always.\n```\n(not yours to change)"
    for part in ("rule: be polite\nrule: no shouting", style, "calm\n```\n(trained too)", fixed, "Sing it.", "1 of 3 examples were right"):
        assert part in prompt
    worst = "## Example 1\nquestion: question 1\noutput: answer 1\nwanted: target 1\nscore: 0\nfeedback: say it louder"
    assert prompt.index(worst) < prompt.index("## Example 2\nquestion: question 0")
    assert "p.quiet" not in prompt
    assert "# Beside it" not in writer.about("p.style")[0]


def test_only_the_worst_examples_within_the_budget_are_shown() -> None:
    said = [(item, "x" * 5000) for item in range(40)]
    evidence = Evidence({"p.text": of("p.text", "Say it.", pg.Text(), said)}, tuple(row(i, i / 40) for i in range(40)))
    writer = Writer(plain)
    TextGrad(most=12, budget=6000).propose(evidence, START, ask=writer)
    assert writer.prompts[0].count("## Example") == 12
    assert "question 11" in writer.prompts[0]
    assert "question 12" not in writer.prompts[0]
    assert len(writer.prompts[0]) < 8500


def test_values_that_look_like_placeholders_stay_what_they_are() -> None:
    parameter = of("p.text", "Answer {reply} to {peers}.", pg.Text(), [(1, "mind {history}")])
    writer = Writer(plain)
    TextGrad().propose(Evidence({"p.text": parameter}, ROWS), START, ask=writer)
    assert "Answer {reply} to {peers}." in writer.prompts[0]
    assert "mind {history}" in writer.prompts[0]


def test_candidates_differ_in_feedback_and_idea_and_repeat_nothing() -> None:
    said = [(item, f"words {item}") for item in range(8)]
    evidence = Evidence({"p.text": of("p.text", "Say it.", pg.Text(), said)}, tuple(row(i, 0.0) for i in range(8)), random=Random(3))
    writer = Writer(lambda id, prompt, number: f"Say it, {sum(f'words {i}' in prompt for i in range(8))} {len(prompt)}.")
    candidates, _ = TextGrad().propose(evidence, START, n=4, ask=writer)
    seen = [[i for i in range(8) if f"words {i}" in prompt] for prompt in sorted(writer.prompts, key=len, reverse=True)]
    assert seen[0] == list(range(8))
    assert all(len(some) == 4 for some in seen[1:])
    assert len({prompt.partition("# Task")[2] for prompt in writer.prompts}) == 4
    assert len(candidates) == 4
    same, _ = TextGrad().propose(evidence, START, n=4, ask=Writer(plain))
    assert [c.values for c in same] == [{"p.text": "Say it louder."}]


def test_a_rewrite_that_fails_leaves_its_parameter_alone_and_an_outage_leaves_all() -> None:
    def half(messages: Any, **_: Any) -> str:
        return "no" if "## p.style\nkind" in messages[0]["content"].partition("# Beside")[0] else '{"values": {"p.text": "Louder."}}'

    (candidate,), _ = TextGrad().propose(EVIDENCE, START, ask=half)
    assert candidate.changed() == ["p.text"]

    def down(messages: Any, **_: Any) -> str:
        raise ServerFailed("502")

    with pytest.raises(ServerFailed):
        TextGrad().propose(EVIDENCE, START, ask=down)


def test_momentum_shows_earlier_values_with_what_was_said_of_them() -> None:
    optimizer, state = TextGrad(momentum=2), START
    for round, value in enumerate(["one", "two", "two", "three", "four"]):
        evidence = Evidence({"p.text": of("p.text", value, pg.Text(), [(1, f"round {round}")])}, ROWS)
        writer = Writer(plain)
        _, state = optimizer.propose(evidence, state, ask=writer)
    history = writer.prompts[0].partition("# Earlier values")[2].partition("\n# ")[0]
    assert "```\ntwo\n```\nfeedback on it:\n- round 2\n\n```\nthree" in history
    assert "one" not in history
    assert "four" not in history
    assert json.loads(json.dumps(state)) == state
    off, writer = TextGrad(momentum=0), Writer(plain)
    _, state = off.propose(evidence, START, ask=writer)
    assert "# Earlier values" not in writer.prompts[0]
    assert state == START


def test_what_was_tried_is_shown_once_with_what_it_brought() -> None:
    optimizer, state = TextGrad(tried=2), START
    for value, gain in (("A.", 0.1), ("B.", -0.2), ("A.", -0.3), ("C.", 0.0)):
        state = optimizer.observe(state, EVIDENCE.candidate({"p.text": value}), Evaluation((), delta=gain, accepted=gain > 0))
    assert state["tried"] == {"p.text": [["A.", -0.3, False], ["C.", 0.0, False]]}
    writer = Writer(plain)
    optimizer.propose(EVIDENCE, state, ask=writer)
    assert "```\nA.\n```\n-0.300" in writer.about("p.text")[0]
    assert "# Rewrites of it" not in writer.about("p.style")[0]


def test_code_stays_frozen() -> None:
    assert not TextGrad().serves(CODE)
    assert TextGrad().serves(TEXT)
