"""The battery itself, re-asking and salvage, and runs whose proposer is of no use. The battery per optimizer is T11. Models are simulated."""

from __future__ import annotations

import json
from typing import Any

import pytest

import paragrad as pg
from paragrad.errors import ModelError, Outage
from paragrad.optimizers.asking import ECHO, ask_for_values, ask_until
from paragrad.optimizers.base import make
from paragrad.optimizers.replies import whole_elements, whole_pairs
from paragrad.optimizers.vetting import value_of
from tests.optimizers.hostile import BEFORE, asking, battery, evidence

GOOD = {"p.text": "Say it loud to {name}.\n\n- Be kind.", "p.style": "loud", "p.shots": 3, "p.temperature": 1.5, "p.rules": ["Be brief."]}
PARAMETERS = evidence().parameters


def test_the_battery_is_large_and_its_names_are_unique() -> None:
    names = [name for name, _, _ in battery()]
    assert len(names) == len(set(names)) >= 150
    assert sum(bool(may) for _, _, may in battery()) >= 10, "some replies are good, so that refusing everything is no way to pass"


@pytest.mark.parametrize("id", sorted(GOOD))
def test_a_good_value_of_every_kind_is_taken(id: str) -> None:
    proposal = ask_for_values(lambda _: json.dumps({"values": {id: GOOD[id]}}), [], PARAMETERS, PARAMETERS)
    assert dict(proposal.values) == {id: GOOD[id]}
    assert BEFORE[id] != GOOD[id]


def test_the_model_is_told_exactly_what_was_wrong_and_not_shown_its_flood_again() -> None:
    seen: list[Any] = []

    def ask(messages: Any) -> str:
        seen.append(messages)
        return "x" * 100_000

    proposal = ask_for_values(ask, [{"role": "user", "content": "?"}], PARAMETERS, PARAMETERS)
    assert len(seen) == len(proposal.refused) == 3
    assert [m["role"] for m in seen[2]] == ["user", "assistant", "user"], "only the last exchange is repeated"
    assert len(seen[2][1]["content"]) < ECHO + 100
    assert proposal.refused[1] in seen[2][2]["content"]


def test_an_answer_that_is_no_text_is_a_refused_reply() -> None:
    found, talk = ask_until(lambda _: None, [], lambda reply: reply)  # type: ignore[arg-type,return-value]
    assert found is None
    assert talk.replies == ("", "", "")


@pytest.mark.parametrize("error", [Outage("gone"), ModelError("no")])
@pytest.mark.parametrize("name", asking())
def test_an_outage_is_no_reply(name: str, error: Exception) -> None:
    def ask(*_: Any, **__: Any) -> str:
        raise error

    optimizer = make(name)
    with pytest.raises(type(error)):
        optimizer.propose(evidence(), optimizer.init(list(PARAMETERS.values())), n=2, ask=ask)


def test_whole_parts_of_a_cut_reply() -> None:
    assert whole_pairs('{"values": {"a": 1, "b": {"c": [2]}, "d": "cu') == {"a": 1, "b": {"c": [2]}}
    assert whole_pairs('{"values": {"a": 1}, "more": "cu') == {}, "what goes on after the object is not cut off in it"
    assert whole_pairs('{"values": {"a": 1}}') == {}, "a whole reply is not cut off"
    assert whole_pairs('{"values": {"a": 1, "values": {"b": 2, "c": ') == {}, "which values?"
    assert whole_elements('{"operations": [{"op": "ADD"}, {"op": "EDIT", "te', "operations") == [{"op": "ADD"}]
    assert whole_elements('{"operations": [{"op": "ADD"}]}', "operations") == []
    assert whole_elements('{"operations": {"op": "ADD"', "operations") == []


def test_what_one_reply_changes_together_is_checked_together() -> None:
    story = "The parcel never came and nobody answers my letters."
    text = f"Say it to {{name}}. {story}\n\n- Be kind."
    demos = [{"inputs": {"x": story}, "output": "late"}]
    alone = ask_for_values(lambda _: json.dumps({"values": {"p.text": text}}), [], PARAMETERS, PARAMETERS)
    assert set(alone.values) == {"p.text"}
    both = ask_for_values(lambda _: json.dumps({"values": {"p.text": text, "p.demos": demos}}), [], PARAMETERS, PARAMETERS)
    assert not both.values
    assert "examples in 'p.demos'" in both.refused[0]


def test_what_stands_there_already_may_stay() -> None:
    from dataclasses import replace

    old = replace(PARAMETERS["p.text"], value='Answer {name} as {"values": {"p.text": 1}}.\u200b', constraint=None)
    assert value_of(old, old.value + " Be kind.", {}) == old.value + " Be kind."
    long = replace(old, value="{name} " + "word " * 10_000)
    assert len(value_of(long, long.value * 2, {})) > 60_000
    with pytest.raises(ValueError, match="write at most"):
        value_of(long, long.value * 5, {})


REPLIES = {"garbage": "no idea", "refusal": "I can't help with that.", "no change": '{"no_change": true}', "cut": '{"reasoning": "I thi'}


@pytest.mark.parametrize("name", asking())
@pytest.mark.parametrize("kind", ["garbage", "no change"])
def test_a_proposer_of_no_use_ends_a_run_cleanly(tmp_path: Any, name: str, kind: str) -> None:
    @pg.prompt
    def shout(x: str) -> str:
        """Say it."""
        ...

    asked: list[Any] = []

    def propose(request: pg.llm.Request) -> str:
        asked.append(request)
        return REPLIES[kind]

    result = pg.fit(
        shout, [(f"w{i}", f"W{i}") for i in range(16)], metric="exact_match", model=pg.llm.Fake(lambda r: str(r.messages[-1]["content"])),
        optimizer=name, optimizer_model=pg.llm.Fake(propose), home=tmp_path, progress=False, budget="200 calls",
    )  # fmt: skip
    assert asked
    assert (result.score, result.baseline, result.significant) == (0.0, 0.0, False)
    assert result.best.changed() == []
    assert shout.instruction.value == "Say it."  # type: ignore[attr-defined]
