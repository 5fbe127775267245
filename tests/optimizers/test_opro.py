"""OPRO: the scored history, best last, bounded; proposals typed, re-asked, salvaged, or left out."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

import paragrad as pg
from paragrad.optimizers import OPRO
from paragrad.optimizers.asking import ask_for_values, whole_pairs
from paragrad.protocols.evidence import Evidence, ParameterEvidence
from paragrad.testing import check_optimizer


def of(id: str, value: Any, space: Any, **more: Any) -> ParameterEvidence:
    return ParameterEvidence(id, space.kind, value, 1, space, **more)


TEXT = of("p.text", "Say it.", pg.Text(max_length=60))
SHOTS = of("p.shots", 3, pg.Number(low=0, high=8, integer=True))
STYLE = of("p.style", "calm", pg.Choice(["calm", "loud"]))
PARAMETERS = {p.id: p for p in (TEXT, SHOTS, STYLE)}

HOSTILE = [
    "", "garbage", "TERMINATE", "{}", "[]", "null", '{"values": {}}', '{"values": []}', '{"values": {"p.nope": "x"}}', '{"values": {"p.shots": "four"}}',
    '{"values": {"p.shots": 3.9}}', '{"values": {"p.shots": 1000000000}}', '{"values": {"p.shots": true}}', '{"values": {"p.shots": null}}',
    '{"values": {"p.style": "LOUDER"}}', '{"values": {"p.style": ["loud"]}}', '{"values": {"p.text": 5}}', '{"values": {"p.text": null}}',
    json.dumps({"values": {"p.text": "x" * 61}}), '{"values": {"p.text": "a"', "<response><value>Say it</value></response>",
    "{'values': {'p.text': 'single quotes'}}",
    '{"values": {"p.text": "a"}} {"values": {"p.text": "b"}}', '{"values": {"p.text": "a", "p.text": "b"}}', '{"values": {"p.shots": NaN}}',
]  # fmt: skip


@pytest.mark.parametrize("reply", HOSTILE)
def test_hostile_replies_change_nothing_and_say_why(reply: str) -> None:
    proposal = ask_for_values(lambda _: reply, [{"role": "user", "content": "?"}], PARAMETERS, PARAMETERS)
    assert dict(proposal.values) == {}
    assert not proposal.no_change
    assert len(proposal.refused) == 3


def test_the_exact_error_is_asked_about_and_the_next_reply_is_taken() -> None:
    replies = iter(['{"values": {"p.shots": 3.9}}', '{"values": {"p.shots": 4}}'])
    seen: list[Any] = []

    def ask(messages: Any) -> str:
        seen.append(messages)
        return next(replies)

    proposal = ask_for_values(ask, [{"role": "user", "content": "?"}], PARAMETERS, PARAMETERS)
    assert dict(proposal.values) == {"p.shots": 4}
    assert "3.9" in seen[1][-1]["content"]


def test_no_change_is_a_field_and_a_quoted_word_is_not() -> None:
    said = ask_for_values(lambda _: '{"no_change": true, "reasoning": "fine"}', [], PARAMETERS, PARAMETERS)
    assert said.no_change
    quoted = ask_for_values(lambda _: '{"reasoning": "no change, TERMINATE", "values": {"p.style": "loud"}}', [], PARAMETERS, PARAMETERS)
    assert dict(quoted.values) == {"p.style": "loud"}


def test_whole_pairs_of_a_cut_reply_are_salvaged_and_the_cut_one_is_not() -> None:
    cut = '{"reasoning": "long", "values": {"p.style": "loud", "p.text": "Shout it lou'
    assert whole_pairs(cut) == {"p.style": "loud"}
    proposal = ask_for_values(lambda _: cut, [], PARAMETERS, PARAMETERS)
    assert proposal.salvaged
    assert dict(proposal.values) == {"p.style": "loud"}


def test_the_history_is_scored_best_last_bounded_and_each_value_once() -> None:
    opro = OPRO(most=3)
    state = opro.init([])
    base = Evidence(PARAMETERS, random=Random(0))
    for score in (0.1, 0.5, 0.3, 0.5, 0.4):
        candidate = base.candidate({"p.text": f"Say {score}."})
        state = opro.observe(state, candidate, type("E", (), {"score": score, "delta": 0.0, "accepted": False, "items": ()})())
    prompts: list[str] = []

    def ask(messages: Any) -> str:
        prompts.append(messages[0]["content"])
        return '{"values": {"p.text": "Say 0.5."}}'

    candidates, _ = opro.propose(base, state, n=1, ask=ask)
    assert candidates == []  # it was tried already
    tried = prompts[0].partition("best last\n")[2]
    assert [tried.find(f"Say {s}.") >= 0 for s in (0.1, 0.3, 0.4, 0.5)] == [False, True, True, True]
    assert tried.find("Say 0.3.") < tried.find("Say 0.4.") < tried.find("Say 0.5.")
    assert tried.count("Say 0.5.") == 1


def test_the_conformance_kit() -> None:
    check_optimizer(OPRO)


def test_it_improves_a_program(tmp_path: Any) -> None:
    @pg.prompt
    def shout(x: str) -> str:
        """Say it."""
        ...

    def answer(request: Any) -> str:
        loud = "LOUD" in request.messages[0]["content"]
        said = str(request.messages[-1]["content"])
        return said.upper() if loud else said

    calls: list[int] = []

    def propose(request: Any) -> str:
        calls.append(1)
        return "garbage" if len(calls) == 1 else json.dumps({"values": {"shout.instruction": f"Say it LOUD {len(calls)}."}})

    result = pg.fit(
        shout, [(f"w{i}", f"W{i}") for i in range(40)], metric="exact_match", model=pg.llm.Fake(answer), optimizer="opro",
        optimizer_model=pg.llm.Fake(propose), home=tmp_path, progress=False, budget="400 calls",
    )  # fmt: skip
    assert (result.baseline, result.score, result.significant) == (0.0, 1.0, True)
    assert result.simulated
    assert len(calls) == 5  # four candidates a step, one of them asked for twice
