"""Optimizers made of optimizers: partition, chain, alternate, filters."""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random
from threading import Barrier
from typing import Any

import numpy as np
import pytest

import paragrad as pg
from paragrad.errors import UsageError
from paragrad.optimizers import (
    Alternate,
    BootstrapFewShot,
    EditSearch,
    EvolutionStrategy,
    OptoPrime,
    Reflect,
    TextGrad,
    Transform,
    chain,
    freeze,
    only,
    partition,
    worst,
)
from paragrad.protocols.evidence import Evidence, ItemEvidence, ParameterEvidence
from paragrad.testing import check_optimizer
from paragrad.trace.accumulator import Contribution
from paragrad.trainers.evaluation import Evaluation


def of(id: str, value: Any, space: Any) -> ParameterEvidence:
    words = tuple(Contribution(i, f"words {i}", "op", "x") for i in range(4))
    return ParameterEvidence(id, space.kind, value, 1, space, gradients=words)


def evidence() -> Evidence:
    parameters = [
        of("a.text", "one", pg.Text()),
        of("b.text", "two", pg.Text()),
        of("k", 1, pg.Number()),
        of("s", "x", pg.Choice(["x", "y"])),
    ]
    items = [ItemEvidence(i, {}, None, "out", {"score": score}, "said") for i, score in enumerate((0.5, 0.0, 1.0, 0.2))]
    return Evidence({p.id: p for p in parameters}, tuple(items), random=Random(0))


class Count(Transform):
    """Numbers its proposals; remembers what it saw and was told."""

    def __init__(self, name: str = "c", *, at_most: int = 99, needs: Any = (), per_step: int | None = None, model: Any = None) -> None:
        super().__init__(model=model)
        self.name, self.at_most, self.needs, self.per_step = name, at_most, frozenset(needs), per_step
        self.seen: list[Evidence] = []
        self.asked: list[int] = []

    def init(self, parameters: Any) -> Any:
        return {"ids": [p.id for p in parameters], "made": 0, "told": 0}

    def propose(self, evidence: Evidence, state: Any, *, n: int = 1, ask: Any) -> Any:
        self.seen.append(evidence)
        self.asked.append(n)
        found = []
        for _ in range(min(n, self.at_most - state["made"])):
            state = {**state, "made": state["made"] + 1}
            changes = {p.id: self._next(p, state["made"]) for p in evidence.parameters.values() if p.trainable}
            found.append(evidence.candidate(changes, origin=f"{self.name}{state['made']}"))
        return found, state

    def observe(self, state: Any, candidate: Any, evaluation: Any) -> Any:
        return {**state, "told": state["told"] + 1}

    def _next(self, p: ParameterEvidence, number: int) -> Any:
        return f"{p.value} {self.name}{number}" if p.kind == "text" else "y" if p.kind == "choice" else p.value + number


def names(candidates: Any) -> list[str]:
    return [c.origin for c in candidates]


def three(**more: Any) -> Any:
    return partition({"text": Count("w", **more), "number": Count("n", **more), "choice": Count("s", **more)})


def began(optimizer: Any, **more: Any) -> Any:
    return {**optimizer.init(list(evidence().parameters.values())), **more}


def told(optimizer: Any, state: Any, candidate: Any, delta: float, **more: Any) -> Any:
    return json.loads(json.dumps(optimizer.observe(state, candidate, Evaluation(evidence().items, delta=delta, **more))))


def test_partition_joins_groups_that_learn_from_evidence_and_then_tries_each_alone() -> None:
    both = three(needs=["blame"])
    found, state = both.propose(evidence(), began(both), n=8, ask=None)
    assert names(found) == ["w1; n1; s1", "w1", "n1", "s1", "w2", "n2", "w3", "n3"], "one other style is all there is"
    assert found[0].changed() == ["a.text", "b.text", "k", "s"], "one candidate moves every kind"
    assert found[1].changed() == ["a.text", "b.text"]
    assert [s["ids"] for s in state["states"]] == [["a.text", "b.text"], ["k"], ["s"]]
    second, _ = both.propose(evidence(), json.loads(json.dumps(state)), n=4, ask=None)
    assert [name[0] for name in names(second)[1:]] == ["n", "s", "w"], "who comes first alone changes"


def test_partition_joins_blind_draws_only_when_room_is_short_or_nothing_else_helps() -> None:
    both = three()
    assert names(both.propose(evidence(), began(both), n=3, ask=None)[0]) == ["w1; n1; s1", "w1", "n1"]
    found, state = both.propose(evidence(), began(both), n=6, ask=None)
    assert names(found)[:3] == ["w1", "n1", "s1"]
    flat = told(both, told(both, state, found[0], 0.0), found[4], 0.0)
    joined = names(both.propose(evidence(), flat, n=6, ask=None)[0])[:2]
    assert joined == ["w1; n2", "w4; n4; s3"], "nothing did well: what did no harm is joined, and what is new"
    good = told(both, state, found[0], 0.1)
    assert ";" not in "".join(names(both.propose(evidence(), good, n=6, ask=None)[0]))


def test_partition_joins_what_did_well_alone() -> None:
    both = three()
    found, state = both.propose(evidence(), began(both), n=6, ask=None)
    for candidate, delta in zip(found, (0.2, 0.1, -0.3, 0.1, 0.3, -0.1), strict=True):
        state = told(both, state, candidate, delta)
    best, *_ = again = both.propose(evidence(), state, n=6, ask=None)[0]
    assert names([best]) == ["w1; n2"], "the best idea of each group that had a good one"
    assert best.values == {**found[0].values, "k": found[4].values["k"]}
    assert len(again) == 6
    after = both.propose(evidence(), state, n=6, ask=None)[1]
    assert "w1; n2" not in names(both.propose(evidence(), after, n=6, ask=None)[0]), "once"
    taken = told(both, state, found[0], 0.2, accepted=True)
    assert not any(";" in name for name in names(both.propose(evidence(), taken, n=6, ask=None)[0])), "it is part of the base now"
    old = {**state, "turn": 20, "lately": 20}
    assert told(both, old, found[0], -0.1)["good"] == {}, "and old ideas are forgotten"


def test_partition_with_room_for_one_takes_turns() -> None:
    both = partition({"text": Count("w"), "number": Count("n"), "choice": freeze()})
    state = began(both)
    turns = []
    for _ in range(6):
        found, state = both.propose(evidence(), state, n=1, ask=None)
        turns += names(found)
    assert turns == ["w1; n1", "w2", "n2", "w3; n3", "w4", "n4"]
    dry = partition({"text": Count("w", at_most=0), "number": Count("n"), "choice": freeze()})
    assert names(dry.propose(evidence(), began(dry, turn=1), n=1, ask=None)[0]) == ["n1"], "a group without ideas does not end the search"


def test_partition_asks_nobody_in_vain() -> None:
    words, numbers = Count("w", per_step=4), Count("n")
    both = partition({"text": words, "number": numbers, "choice": freeze()})
    assert len(both.propose(evidence(), began(both), n=2, ask=None)[0]) == 2
    assert (words.asked, numbers.asked) == ([1], [1])
    assert len(both.propose(evidence(), began(both), n=12, ask=None)[0]) == 12
    assert (words.asked, numbers.asked) == ([1, 4], [1, 6, 2]), "who has more ideas fills the rest"
    few, many = Count("f", at_most=1), Count("m")
    both = partition({"text": few, "number": many, "choice": freeze()})
    found, _ = both.propose(evidence(), began(both), n=12, ask=None)
    assert len(set(names(found))) == 12


def test_partition_asks_its_groups_at_once() -> None:
    together = Barrier(2, timeout=20)

    class Slow(Count):
        def propose(self, evidence: Evidence, state: Any, *, n: int = 1, ask: Any) -> Any:
            together.wait()
            return super().propose(evidence, state, n=n, ask=ask)

    both = partition({"text": Slow("w"), "number": Slow("n"), "choice": freeze()})
    assert names(both.propose(evidence(), began(both), n=2, ask=None)[0]) == ["w1; n1", "w1"]


def test_partition_wants_exactly_one_key_and_one_that_serves() -> None:
    parameters = list(evidence().parameters.values())
    with pytest.raises(UsageError, match=r"s \(choice\) matches no key"):
        partition({"text": "edit", "number": "edit"}).init(parameters)
    with pytest.raises(UsageError, match=r"a.text \(text\) matches 'text', 'a\.\*'"):
        partition({"text": "edit", "a.*": "edit", "k": "edit", "s": "edit"}).init(parameters)
    with pytest.raises(UsageError, match=r"EvolutionStrategy does not serve s"):
        partition({"text": "edit", ("number", "choice"): EvolutionStrategy()}).init(parameters)
    kept = partition({("a.*", "k"): "edit", "b.text": "edit", parameters[3]: freeze()})
    kept.init(parameters)
    found, _ = kept.propose(evidence(), kept.init(parameters), n=6, ask=None)
    assert all("s" not in c.changed() for c in found)


def test_partition_needs_what_its_groups_need() -> None:
    both = partition({"text": TextGrad(critic=len), "number": OptoPrime(), "demos": BootstrapFewShot(teacher="t"), "choice": Reflect()})
    assert both.needs == TextGrad.needs | OptoPrime.needs | BootstrapFewShot.needs | Reflect.needs
    assert both.critic is len
    assert both.teacher == "t"
    assert both.describe() == "TextGrad + OptoPrime + BootstrapFewShot + Reflect"


def test_a_group_asks_its_own_model() -> None:
    class Asking(Count):
        def propose(self, evidence: Evidence, state: Any, *, n: int = 1, ask: Any) -> Any:
            self.name = ask("who?")
            return super().propose(evidence, state, n=n, ask=ask)

    both = partition({"text": Asking(model=pg.llm.Fake(lambda request: "own")), ("number", "choice"): Asking()})
    found, _ = both.propose(evidence(), began(both), n=2, ask=lambda *_, **__: "theirs")
    assert names(found) == ["own1; theirs1", "own1"]


def test_a_bound_partition_moves_every_kind_in_one_step() -> None:
    text: Any = pg.Parameter("One. Two. Three.", name="t")
    number: Any = pg.Parameter(0.5, name="n", space=pg.Number(low=0, high=1))
    weights: Any = pg.Parameter(np.zeros(3, np.float32), name="w")
    optimizer = partition({"text": EditSearch(bank=("Think.",)), "number": "evolution", "tensor": "evolution"}, [text, number, weights])
    for _ in range(3):
        before = (text.value, number.value, weights.value.tolist())
        assert optimizer.step()
        assert all(a != b for a, b in zip(before, (text.value, number.value, weights.value.tolist()), strict=True))
    again = partition({"text": EditSearch(bank=("Think.",)), "number": "evolution", "tensor": "evolution"}, [text, number, weights])
    again.load_state_dict(json.loads(json.dumps(optimizer.state_dict())))
    assert again.propose(n=2)[0].values["t"] == optimizer.propose(n=2)[0].values["t"]


def test_chain_narrows_evidence_and_refines_candidates() -> None:
    first, second = Count("f"), Count("g")
    made = chain(worst(2), first, freeze("b.*", "s"), second)
    found, state = made.propose(evidence(), made.init(list(evidence().parameters.values())), n=2, ask=None)
    assert [i.item for i in first.seen[0].items] == [1, 3], "the worst two, in their order"
    assert [g.item for g in first.seen[0].parameters["k"].gradients] == [1, 3]
    assert found[0].values == {"a.text": "one f1 g1", "b.text": "two f1", "k": 3, "s": "y"}
    assert found[1].values == {"a.text": "one f2 g2", "b.text": "two f2", "k": 5, "s": "y"}
    assert names(found) == ["f1; g1", "f2; g2"]
    assert second.seen[0].parameters["a.text"].value == "one f1", "a later part starts from the candidate"
    told = made.observe(state, found[0], Evaluation(evidence().items))
    assert [s.get("told") for s in told["states"]] == [None, 1, None, 1]
    assert made.describe() == "worst(2) → Count → freeze('b.*', 's') → Count"
    assert not made.serves(evidence().parameters["b.text"])
    passing = chain(Count("f"), Count("g", at_most=0))
    assert names(passing.propose(evidence(), passing.init([]), n=1, ask=None)[0]) == ["f1"]
    with pytest.raises(UsageError, match="needs an optimizer"):
        chain(worst(3))


def test_filters() -> None:
    base = evidence()
    assert [id for id, p in only("*.text", "number").narrow(base).parameters.items() if p.trainable] == ["a.text", "b.text", "k"]
    assert [id for id, p in freeze(base.parameters["k"]).narrow(base).parameters.items() if p.trainable] == ["a.text", "b.text", "s"]
    assert [p for p in freeze().narrow(base).parameters.values() if p.trainable] == []
    assert [i.item for i in worst(10).narrow(base).items] == [0, 1, 3], "what went well is not among the worst"
    hollow = replace(base, items=())
    assert worst(2).narrow(hollow).parameters["k"].gradients == base.parameters["k"].gradients
    assert worst(1).propose(base, {}, n=3, ask=None) == ([], {})
    for wrong in (0, True, "8"):
        with pytest.raises(UsageError, match="how many rows"):
            worst(wrong)  # type: ignore[arg-type]


def test_alternate_takes_turns_and_passes_them_on() -> None:
    made = Alternate(Count("a"), Count("b"), every=2)
    state = made.init([])
    turns = []
    for _ in range(6):
        found, state = made.propose(evidence(), json.loads(json.dumps(state)), n=1, ask=None)
        turns += names(found)
        state = made.observe(state, found[0], Evaluation(evidence().items))
    assert turns == ["a1", "a2", "b1", "b2", "a3", "a4"]
    assert [s["told"] for s in state["states"]] == [6, 6]
    dry = Alternate(Count("a", at_most=1), Count("b"))
    state = dry.init([])
    for expected in ("a1", "b1", "b2", "b3"):
        found, state = dry.propose(evidence(), state, n=1, ask=None)
        assert names(found) == [expected]
    assert Alternate(Count(per_step=2), Count(per_step=5)).per_step == 5
    assert Alternate(Count(per_step=2), Count()).per_step is None
    with pytest.raises(UsageError, match="every=0"):
        Alternate("edit", every=0)
    with pytest.raises(UsageError, match="at least one optimizer"):
        Alternate()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Alternate("edit", "tpe", every=2),
        lambda: chain(worst(3), EditSearch(bank=("A.",)), "evolution"),
        lambda: chain(only("text"), "edit"),
        lambda: partition(
            {"text": "edit", ("choice", "number"): "tpe", "demos": "bootstrap", ("tensor", "json", "list", "code"): freeze()}
        ),
    ],
)
def test_conformance(make: Any) -> None:
    assert check_optimizer(make, rounds=2) > 0


def test_every_part_is_trained_in_a_run(tmp_path: Any) -> None:
    class Shout(pg.Module):
        def __init__(self) -> None:
            self.say: Any = pg.Generator("Say it.", inputs=["x"])
            self.times: Any = pg.Parameter(1, "how often", space=pg.Choice([1, 2]))

        def forward(self, x: str) -> Any:
            return repeated(self.say(x=x), self.times)

    def answer(request: pg.llm.Request) -> str:
        said = str(request.messages[-1]["content"])
        return said.upper() if "LOUD" in str(request.messages[0]["content"]) else said

    optimizer = partition({"text": EditSearch(bank=("Be LOUD.",)), "choice": "tpe"})
    result = pg.fit(
        Shout(), [(f"w{i}", f"W{i}W{i}") for i in range(48)], metric="exact_match", model=pg.llm.Fake(answer), optimizer=optimizer,
        home=tmp_path, progress=False, budget="800 calls",
    )  # fmt: skip
    assert (result.baseline, result.score) == (0.0, 1.0), "neither change alone scores anything; only the joined candidate does"


@pg.bundle(effects=())
def repeated(text: str, times: int) -> str:
    """The text so often."""
    return text * times
