"""Section T: proposals (T7, T10, T11) and A9. Models are simulated."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

import paragrad as pg
from paragrad import registry
from paragrad.optimizers import OPRO, Transform
from paragrad.optimizers.base import make
from paragrad.protocols.data import Demo
from paragrad.protocols.evidence import Evidence, ItemEvidence, ParameterEvidence
from paragrad.testing import check_optimizer
from paragrad.trainers.evaluation import Evaluation
from tests.optimizers.hostile import asking, battery, wrong


@pytest.mark.parametrize("name", sorted(set(registry.optimizers.builtin)))
def test_T7_every_registered_optimizer_is_a_pure_transform(name: str) -> None:
    optimizer = make(name)
    assert isinstance(optimizer, Transform)
    for method in ("zero_feedback", "zero_grad", "backward", "propose", "step", "state_dict", "load_state_dict", "init", "observe"):
        assert callable(getattr(optimizer, method))
    check_optimizer(lambda: make(name), rounds=2)


def opro_evidence(value: str = "Say it.", items: Any = ()) -> Evidence:
    own = ParameterEvidence("p", "text", value, 1, pg.Text())
    return Evidence({"p": own}, tuple(items), random=Random(0))


def test_T10_proposals_come_from_the_scored_history_best_last_and_bounded() -> None:
    opro, prompts = OPRO(most=5), []
    state = opro.init([])
    base = opro_evidence()
    scores = [((i * 37) % 100) / 100 for i in range(60)]
    for i, score in enumerate(scores):
        rows = tuple(ItemEvidence(r, {}, None, None, {"score": score}) for r in range(4))
        state = json.loads(json.dumps(opro.observe(state, base.candidate({"p": f"Say {i}."}), Evaluation(rows))))
    assert len(state["tried"]) == 25, "the state is bounded"
    again = base.candidate({"p": f"Say {scores.index(max(scores))}."})
    worse = tuple(ItemEvidence(r, {}, None, None, {"score": 0.0}) for r in range(12))
    state = opro.observe(state, again, Evaluation(worse))
    assert sum(e["values"]["p"] == again.values["p"] for e in state["tried"]) == 1, "each value once, scored over all its rows"

    def ask(messages: Any, **_: Any) -> str:
        prompts.append(messages[0]["content"])
        return json.dumps({"values": {"p": f"Better {len(prompts)}."}})

    found, _ = opro.propose(base, state, n=3, ask=ask)
    assert len(found) == 3
    shown = prompts[0].partition("# Tried values, best last\n")[2].partition("\n# ")[0]
    listed = [float(line.removeprefix("score: ")) for line in shown.splitlines() if line.startswith("score: ")]
    assert listed == sorted(listed)
    assert len(listed) == 5
    assert f"{max(scores):.3f}" not in shown, "twelve worse rows have taken it down"


def test_T10_the_present_values_are_part_of_the_history() -> None:
    prompts: list[str] = []
    items = [ItemEvidence(i, {"x": "a"}, "b", "c", {"score": i / 4}) for i in range(4)]
    OPRO().propose(opro_evidence(items=items), OPRO().init([]), n=1, ask=lambda m, **_: prompts.append(m[0]["content"]) or "")
    assert "p: Say it.\nscore: 0.375" in prompts[0]


@pytest.mark.parametrize("name", asking())
def test_T11_hostile_replies_change_nothing_they_should_not(name: str) -> None:
    assert len(battery()) >= 60
    faults, taken = {}, 0
    for label, reply, may in battery():
        found, values = wrong(make(name), reply, may)  # a crash fails the test with the reply's name
        taken += values
        if found:
            faults[label] = found
    assert faults == {}
    assert taken >= 3
    print(f"{name}: {len(battery())} hostile replies, 0 silent wrong updates, 0 crashes, {taken} sound values taken")


def test_T11_the_asking_optimizers_are_all_there() -> None:
    assert {"opro", "optoprime", "playbook", "reflect", "textgrad"} <= set(asking())


def test_T11_bounded_reask_with_the_exact_error_then_salvage_then_nothing() -> None:
    from paragrad.optimizers.asking import ask_for_values

    own = {"n": ParameterEvidence("n", "number", 2, 1, pg.Number(low=0, high=8, integer=True))}
    told: list[str] = []

    def ask(messages: Any) -> str:
        told.append(messages[-1]["content"])
        return ['{"values": {"n": 3.9}}', '{"values": {"n": "many"}}', '{"values": {"n": 5, "x'][min(len(told), 3) - 1]

    proposal = ask_for_values(ask, [{"role": "user", "content": "?"}], own, own)
    assert "3.9 is not an integer; write 3 or 4" in told[1]
    assert "'many' is not an integer" in told[2]
    assert (dict(proposal.values), proposal.salvaged, len(told)) == ({"n": 5}, True, 3)
    assert ask_for_values(lambda _: '{"no_change": true}', [], own, own).no_change


STORY = "I was charged twice for the same order last Tuesday and nobody answers."
PEERS = {
    "sort.instruction": ParameterEvidence(
        "sort.instruction", "text", "Sort the ticket.", 1, pg.Text(), peers=("sort.demos", "sort.format")
    ),
    "sort.demos": ParameterEvidence(
        "sort.demos", "demos", (Demo({"ticket": STORY}, "billing"),), 1, pg.Demos(), peers=("sort.instruction",)
    ),
    "sort.format": ParameterEvidence(
        "sort.format", "text", "One word.", 1, pg.Text(), "the format of the answer", peers=("sort.instruction",)
    ),
}


@pytest.mark.parametrize(
    ("id", "value", "reason"),
    [
        ("sort.instruction", "Sort it.\nQ: My money!\nA: billing\nQ: It crashed.\nA: bug", "2 worked examples"),
        ("sort.instruction", f"Sort it. For instance “{STORY}” is billing.", "from the examples in 'sort.demos'"),
        ("sort.instruction", "Sort it. Answer with a JSON object.", "the form of the output is the work of 'sort.format'"),
        ("sort.instruction", "Sort it and reply in valid YAML.", "the form of the output is the work of 'sort.format'"),
        ("sort.format", "Answer with a JSON object.", None),
        ("sort.instruction", "Sort it by its subject; JSON in a ticket is a bug.", None),
        ("sort.demos", [{"inputs": {"ticket": "Broken."}, "output": "bug"}], None),
    ],
)
def test_A9_a_proposal_that_does_a_peers_work_is_refused_by_a_check(id: str, value: Any, reason: str | None) -> None:
    items = (ItemEvidence(0, {"ticket": "x"}, "bug", "billing", {"score": 0.0}, "wrong"),)
    evidence = Evidence(PEERS, items, random=Random(0))
    said: list[str] = []

    def ask(messages: Any, **_: Any) -> str:
        said.append(messages[-1]["content"])
        return json.dumps({"values": {id: value}})

    reflect = make("reflect")
    found, _ = reflect.propose(evidence, reflect.init([]), n=1, ask=ask)
    if reason is None:
        assert [c.changed() for c in found] == [[id]]
    else:
        assert found == []
        assert len(said) == 3
        assert reason in said[1], "the model is told whose work it is"


def test_A9_a_peerless_parameter_may_hold_what_it_likes() -> None:
    alone = ParameterEvidence("solo", "text", "Sort it.", 1, pg.Text())
    from paragrad.optimizers.asking import value_of

    text = "Sort it.\nQ: My money!\nA: billing\nQ: It crashed.\nA: bug\nAnswer with JSON."
    assert value_of(alone, text, {**PEERS, "solo": alone}) == text


def test_A9_code_that_holds_a_peers_words_is_refused() -> None:
    from paragrad.spaces import trespasses

    source = f'def f(ticket):\n    return "billing" if ticket == "{STORY}" else "bug"\n'
    assert "from the examples in 'sort.demos'" in str(trespasses("code", source, PEERS))
    assert trespasses("code", "def f(ticket):\n    return ticket\n", PEERS) is None
