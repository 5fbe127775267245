"""An optimizer bound to Parameters: zero_grad, backward, propose, step, as in a loop written by hand. Models are simulated."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

import paragrad as pg
from paragrad.errors import NotConnected, NothingToTrain, ProposalError, UsageError
from paragrad.optimizers import OptoPrime, TextGrad, Transform
from paragrad.optimizers.collected import collected, evidence_of, gradients_of, with_peers
from paragrad.protocols.evidence import Evidence


@pg.bundle(effects=())
def said(style: str, name: str) -> str:
    """Greets."""
    return f"{style} {name}"


class Script:
    """A critic that says what it was told, and counts."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []

    def __call__(self, record: Any, words: Any) -> dict[str, str]:
        self.asked.append((record.op.name, words))
        return {name: f"{words}!" for name in record.names}


def writer(**values: Any) -> Any:
    return pg.llm.Fake(lambda _: json.dumps({"values": values}))


class Keep(Transform):
    """Proposes what it was made with; keeps the evidence it saw."""

    def __init__(self, parameters: Any = None, *, values: Any = (), model: Any = None) -> None:
        super().__init__(parameters, model=model)
        self.values = list(values)
        self.seen: list[Evidence] = []

    def propose(self, evidence: Evidence, state: Any, *, n: int = 1, ask: Any) -> Any:
        """Propose."""
        self.seen.append(evidence)
        return [evidence.candidate(changes) for changes in self.values[:n]], {"calls": state.get("calls", 0) + 1}


def test_propose_yields_candidates_and_writes_nothing() -> None:
    p: Any = pg.Parameter("one", name="p")
    bound = Keep([p], values=[{"p": "two"}, {"p": "three"}])
    candidates = bound.propose(n=2)
    assert [c.values["p"] for c in candidates] == ["two", "three"]
    assert p.value == "one"
    assert bound.step(candidates[1]) is True
    assert (p.value, bound.state_dict()) == ("three", {"state": {"calls": 1}, "steps": 0})
    assert bound.step() is True
    assert p.value == "two"
    with pytest.raises(UsageError, match="not bound"):
        Keep().propose(n=1)
    with pytest.raises(TypeError):
        bound.propose(m=3)
    assert Keep.propose.__doc__ == "Propose."


def test_the_pure_form_and_inheritance_are_as_before() -> None:
    class Twice(Keep):
        def propose(self, evidence: Evidence, state: Any, *, n: int = 1, ask: Any) -> Any:
            found, state = super().propose(evidence, state, n=n, ask=ask)
            return found * 2, state

    p: Any = pg.Parameter("one", name="p")
    evidence = Evidence({"p": evidence_of(p)})
    assert len(Twice(values=[{"p": "x"}]).propose(evidence, {}, ask=None)[0]) == 2
    assert len(Twice(values=[{"p": "x"}]).propose(evidence=evidence, state={}, ask=None)[0]) == 2
    assert len(Twice([p], values=[{"p": "x"}]).propose()) == 2


def test_step_is_all_or_nothing() -> None:
    one: Any = pg.Parameter("one", name="one")
    two: Any = pg.Parameter("two", name="two", constraint=lambda text: "w" in text or "keep the w")
    bound = Keep([one, two], values=[{"one": "1", "two": "2"}])
    with pytest.raises(ProposalError, match="keep the w"):
        bound.step()
    assert (one.value, one.version, two.value) == ("one", 1, "two")
    assert Keep([one, two], values=[{"one": "one"}]).step() is False
    assert Keep([one, two]).step() is False
    assert one.version == 1
    with pg.transaction():
        assert Keep([one], values=[{"one": "inside"}]).step()
    assert one.value == "inside"


def test_backward_reaches_the_bound_parameters_alone() -> None:
    p, q, critic = pg.Parameter("a", name="p"), pg.Parameter("b", name="q"), Script()
    optimizer = TextGrad([p], critic=critic)
    optimizer.backward(said(p, said(q, "x")), "wrong")
    assert ([g.value for g in p.grad], list(q.grad)) == (["wrong!"], [])
    assert critic.asked == [("said", "wrong")]  # what leads to q alone is never criticised
    with pytest.raises(NothingToTrain, match=r"none of this optimizer's Parameters \(p\)"):
        optimizer.backward(said(q, "x"), "wrong")


def test_options_of_backward_are_passed_on() -> None:
    p, critic = pg.Parameter("a", name="p"), Script()
    out = said(p, "x")
    optimizer = TextGrad([p], critic=critic)
    optimizer.backward(out, pg.Variable("wrong", requires_grad=True), create_graph=True)
    optimizer.backward(out, "again", retain_graph=False)
    assert [g.value for g in p.grad] == ["wrong!", "again!"]
    with pytest.raises(NothingToTrain, match="freed by an earlier backward"):
        optimizer.backward(out, "once more")


def test_what_an_optimizer_needs_decides_what_is_carried() -> None:
    p: Any = pg.Parameter("a", name="p")
    OptoPrime([p]).backward(said(p, "x"), pg.Feedback(0.5, "wrong"))
    accumulator = p._accumulator()
    assert (len(accumulator.graphs), [c.value for c in accumulator.texts]) == (1, ["wrong"])
    assert [(s.metric, s.value) for s in p.scores] == [("score", 0.5)]
    p.zero_grad()
    Keep([p]).backward(said(p, "x"), "wrong")
    assert (p._accumulator().graphs, [g.value for g in p.grad]) == ([], ["wrong"])
    number: Any = pg.Parameter(2.0, name="n")
    Keep([number]).backward(number * 3.0)
    assert [g.value for g in number.grad] == [3.0]


def test_perfect_outputs_cost_no_critic_call_and_a_bare_score_is_put_into_words() -> None:
    p, critic = pg.Parameter("a", name="p"), Script()
    optimizer = TextGrad([p], critic=critic)
    optimizer.backward([said(p, "x"), said(p, "y")], [pg.Feedback(1.0, "fine"), pg.Feedback(True)])
    assert critic.asked == []
    assert optimizer.propose(n=1) == []
    optimizer.backward(said(p, "z"), pg.Feedback(0.25))
    assert critic.asked == [("said", "The score of this output is 0.25.")]
    critic.asked.clear()
    optimizer.backward([said(p, "x"), said(p, "y")], [pg.Feedback(1.0, "of ten"), pg.Feedback(8.0, "of ten")])
    assert len(critic.asked) == 2  # a scale that does not end at 1


def test_unusable_feedback_is_refused_before_anything_is_asked() -> None:
    p, critic = pg.Parameter("a", name="p"), Script()
    optimizer = TextGrad([p], critic=critic)
    out = said(p, "x")
    with pytest.raises(UsageError, match="one for each, not wrong"):
        optimizer.backward([out, out], "wrong")
    with pytest.raises(UsageError, match="2 feedbacks"):
        optimizer.backward([out, out], ["wrong"])
    with pytest.raises(UsageError, match="of type dict"):
        optimizer.backward(out, {"wrong": 1})
    with pytest.raises(UsageError, match="Variables, not plain"):
        optimizer.backward(["plain"], ["wrong"])
    assert critic.asked == []
    optimizer.backward(out, pg.Feedback())  # says nothing, on purpose
    assert list(p.grad) == []


def test_examples_keep_their_numbers_over_several_backward_calls() -> None:
    p: Any = pg.Parameter("a", name="p")
    optimizer = TextGrad([p], critic=Script())
    optimizer.backward(said(p, "x"), pg.Feedback(0.5, "one"))
    optimizer.backward([said(p, "y"), said(p, "z")], [pg.Feedback(0.25, "two"), "three"])
    evidence = collected([p], Random(0))
    assert [(i.item, i.inputs, i.output, i.score, i.gradients) for i in evidence.items] == [
        (0, {"name": "x"}, "a x", 0.5, {"p": ("one!",)}),
        (1, {"name": "y"}, "a y", 0.25, {"p": ("two!",)}),
        (2, {"name": "z"}, "a z", None, {"p": ("three!",)}),
    ]
    assert [i.feedback for i in evidence.items] == ["one", "two", "three"]
    assert all(i.episodes for i in evidence.items[:2])


def test_peers_outside_the_bound_parameters_are_known_and_stay() -> None:
    with pg.llm.use(pg.llm.Fake(lambda _: "reply")):
        ask = pg.Generator("Answer.", inputs=["q"], demos=2, name="ask")
        ask(q="x")
    found = with_peers([ask.instruction])
    assert {id: p.trainable for id, p in found.items()} == {"ask.instruction": True, "ask.demos": False}
    assert Evidence(found).candidate({"ask.instruction": "Reply."}).values == {"ask.instruction": "Reply."}
    frozen: Any = pg.Parameter("x", requires_grad=False, name="f")
    assert with_peers([frozen])["f"].trainable is False


def test_evidence_holds_plain_words_and_the_numeric_sum() -> None:
    p: Any = pg.Parameter(2.0, name="p")
    (p * 3.0).backward()
    (p * 4.0).backward()
    p.append_grad(pg.Variable("too large"))
    words, total = gradients_of(p)
    assert (words.value, total.value) == ("too large", 7.0)
    text: Any = pg.Parameter("a", name="t")
    said(text, "x").backward("w", create_graph=True)
    assert [type(c.value) for c in gradients_of(text)] == [str]


def test_textgrad_and_optoprime_in_a_loop_by_hand() -> None:
    for kind in (TextGrad, OptoPrime):
        p: Any = pg.Parameter("Yo", name="p")
        optimizer = kind(
            [p],
            model=pg.llm.Fake(
                lambda r: '{"style": "be formal"}' if "# Wanted" in r.messages[-1]["content"] else '{"values": {"p": "Dear"}}'
            ),
        )
        out = said(p, "Ada")
        optimizer.zero_grad()
        optimizer.backward(out, "be formal")
        assert optimizer.step()
        assert p.value == "Dear"
        assert json.loads(json.dumps(optimizer.state_dict())) == optimizer.state_dict()
        again = kind([p], model=writer(p="Dear"))
        again.load_state_dict(optimizer.state_dict())
        assert again.state_dict() == optimizer.state_dict()


def test_without_a_model_the_error_says_so() -> None:
    p: Any = pg.Parameter("Yo", name="p")
    with pytest.raises(NotConnected, match="no language model is named"):
        TextGrad([p]).backward(said(p, "Ada"), "be formal")
    assert list(p.grad) == []


def test_a_plain_backward_of_several_optimizers_serves_each() -> None:
    p, n = pg.Parameter("Yo", name="p"), pg.Parameter(2.0, name="n")
    out = said(p, "x")
    pg.backward([out, n * 2.0], [pg.Feedback(0.5, "be formal"), None])
    text = TextGrad([p], model=writer(p="Dear"))
    with pg.transaction():
        assert text.step()
    assert p.value == "Dear"
