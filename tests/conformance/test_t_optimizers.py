"""Section T: optimizers (seed 003), and what they are shown of peers (A8). Models are simulated."""

from __future__ import annotations

import importlib.util
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import paragrad as pg
from paragrad import trace
from paragrad.errors import ProposalError, UnknownName
from paragrad.optimizers import EditSearch, OptoPrime, TextGrad, Transform
from paragrad.optimizers.base import make
from paragrad.optimizers.collected import evidence_of
from paragrad.protocols.evidence import Evidence
from paragrad.trainers import AutoGuide, DataLoader, MinibatchAlgorithm

EXAMPLES = Path(__file__).parents[2] / "examples"


class TwoHops(pg.Module):
    """A plan, then an answer."""

    def __init__(self) -> None:
        self.plan: Any = pg.Generator("Plan.", inputs=["question"])
        self.answer: Any = pg.Generator("Answer.", inputs=["question", "plan"], demos=2)

    def forward(self, question: str) -> Any:
        return self.answer(question=question, plan=self.plan(question=question))


class World:
    """Task model, critic and rewriter in one, each doing what its prompt allows; counts whom it played."""

    def __init__(self) -> None:
        self.played: Counter[str] = Counter()
        self.prompts: dict[str, list[str]] = {}
        self.model = pg.llm.Fake(self.reply)

    def reply(self, request: Any) -> str:
        first, last = (str(request.messages[i]["content"]) for i in (0, -1))
        part = "rewriter" if first.startswith("You rewrite one") else "program" if first.startswith("You improve a program") else "task"
        part = "critic" if last.startswith("# Operation") else part
        self.played[part] += 1
        self.prompts.setdefault(part, []).append(f"{first}\n{last}" if part == "critic" else first)
        return getattr(self, part)(first, last)

    def task(self, first: str, last: str) -> str:
        number = last.rpartition("number ")[2].partition("\n")[0]
        return number if "bare" in first else f"The answer is {number}."

    def critic(self, first: str, last: str) -> str:
        wanted = last.rpartition("# Wanted\n")[2]
        words = (
            {"instruction": "It does not ask for the bare number.", "plan": "Too long."}
            if "only the number" in last
            else {"instruction": None}
        )
        return json.dumps({name: said for name, said in words.items() if f"- {name}" in wanted} or {"instruction": None})

    def rewriter(self, first: str, last: str) -> str:
        id = first.partition("## ")[2].partition("\n")[0]
        wanted = "does not ask for the bare number" in first
        return json.dumps({"values": {id: "Reply with the bare number."}} if wanted else {"no_change": True})

    def program(self, first: str, last: str) -> str:
        shown = [id for id in ("plan.instruction", "answer.instruction") if f"## {id}" in first]
        return json.dumps({"values": {id: "Reply with the bare number." for id in shown}})


def asked(numbers: Any) -> list[tuple[str, str]]:
    return [(f"number {n}", str(n)) for n in numbers]


def judged(output: str, target: str) -> tuple[bool, str]:
    return output == target, "" if output == target else "only the number is wanted"


def test_T7_the_abstract_optimizer() -> None:
    p: Any = pg.Parameter("Be kind. Be brief.", name="p")
    evidence = Evidence({"p": evidence_of(p)})
    with pytest.raises(NotImplementedError, match="must propose"):
        Transform().propose(evidence, {}, ask=None)
    optimizer = EditSearch([p])
    assert optimizer.zero_feedback.__func__ is optimizer.zero_grad.__func__  # type: ignore[attr-defined]
    pure, state = EditSearch().propose(evidence, EditSearch().init([p]), n=2, ask=None)  # evidence and state in, candidates and state out
    assert (len(pure), type(state), p.value) == (2, dict, "Be kind. Be brief.")
    candidates = optimizer.propose(n=3)
    assert (len(candidates), p.value) == (3, "Be kind. Be brief.")
    out = pg.bundle(lambda x: x)(p)
    optimizer.backward(out, "too kind")
    assert [g.value for g in p.grad] == ["too kind"]
    optimizer.zero_feedback()
    assert list(p.grad) == []
    assert optimizer.step(candidates[0])
    assert p.value == candidates[0].values["p"]
    again = EditSearch([p])
    again.load_state_dict(json.loads(json.dumps(optimizer.state_dict())))
    assert [c.values for c in again.propose(n=2)] == [c.values for c in optimizer.propose(n=2)]


def test_T7_a_step_writes_all_or_nothing() -> None:
    class Both(Transform):
        def propose(self, evidence: Evidence, state: Any, *, n: int = 1, ask: Any) -> Any:
            return [evidence.candidate({"a": "new", "b": "bad"})], state

    a: Any = pg.Parameter("old", name="a")
    b: Any = pg.Parameter("good", name="b", constraint=lambda text: text != "bad" or "b is never bad")
    with pytest.raises(ProposalError, match="never bad"):
        Both([a, b]).step()
    assert (a.value, b.value) == ("old", "good")


def test_T8_one_call_for_all_parameters_of_the_executed_program() -> None:
    world, program = World(), TwoHops()
    optimizer = OptoPrime(program.parameters(), model=world.model)
    with pg.llm.use(world.model):
        outs = [program(question) for question, _ in asked(range(4))]
        optimizer.zero_feedback()
        optimizer.backward(outs, [pg.Feedback(0.0, "only the number is wanted") for _ in outs])
        assert optimizer.step()
        assert program.predict("number 7") == "7"
    assert world.played == {"task": 8 + 2, "program": 1}  # no critic
    (prompt,) = world.prompts["program"]
    for section in ("Code", "Documentation", "Variables", "Constraints", "Examples"):
        assert f"# {section}\n" in prompt
    assert prompt.count("plan_1 = plan(") == 1  # four examples, one program
    for example in (
        'Inputs:\nquestion = "number 3"',
        'Others:\nplan_1 = "The answer is 3."',
        "Outputs:\nanswer_1 = ",
        "Feedback:\nanswer_1: score 0. only",
    ):
        assert example in prompt


def test_T8_fit_with_optoprime() -> None:
    world, program = World(), TwoHops()
    options: dict[str, Any] = {"model": world.model, "optimizer_model": world.model, "journal": False, "budget": "900 calls"}
    result = pg.fit(
        program, asked(range(16)), asked(range(100, 124)), metric=judged, optimizer="optoprime", parameters=["*.instruction"], **options
    )
    assert (result.score, program.answer.instruction.value) == (1.0, "Reply with the bare number.")
    with pytest.raises(UnknownName, match="that optimizer is 'optoprime' here"):
        make("Trace")


def test_T9_critics_operation_by_operation_then_a_rewrite_per_parameter() -> None:
    world, program = World(), TwoHops()
    optimizer = TextGrad(program.parameters(), model=world.model)
    with pg.llm.use(world.model):
        outs = [program(question) for question, _ in asked(range(4))]
        optimizer.zero_grad()
        optimizer.backward(outs, [pg.Feedback(float(i > 1), "only the number is wanted") for i in range(4)])
        # two of four are wrong: one call for each of their two operations, for all its arguments together
        assert world.played == {"task": 8, "critic": 4}
        assert [g.value for g in program.answer.instruction.grad] == ["It does not ask for the bare number."] * 2
        assert sum("- instruction\n- plan" in prompt for prompt in world.prompts["critic"]) == 2
        assert optimizer.step()
        assert program.predict("number 7") == "7"
    assert world.played["rewriter"] == 1  # the words about the plan blamed nothing of it
    assert program.plan.instruction.value == "Plan."


def test_T9_perfect_examples_and_untrained_branches_cost_nothing() -> None:
    world, program = World(), TwoHops()
    with pg.llm.use(world.model):
        outs = [program(question) for question, _ in asked(range(3))]
        TextGrad(program.parameters("text"), model=world.model).backward(outs, [pg.Feedback(1.0, "right")] * 3)
        assert world.played == {"task": 6}
        out = program("number 5")
        TextGrad([program.answer.instruction], model=world.model).backward(out, "only the number is wanted")
        assert world.played["critic"] == 1


def test_T9_fit_with_textgrad() -> None:
    world, program = World(), TwoHops()
    options: dict[str, Any] = {"model": world.model, "optimizer_model": world.model, "journal": False, "budget": "900 calls"}
    result = pg.fit(
        program, asked(range(16)), asked(range(100, 124)), metric=judged, optimizer="textgrad", parameters=["*.instruction"], **options
    )
    assert (result.baseline, result.score) == (0.0, 1.0)
    assert program.answer.instruction.value == "Reply with the bare number."
    assert result.spent["phases"]["critic"]["calls"] == world.played["critic"] > 0


def test_A8_an_optimizer_is_shown_the_peers_and_whether_they_are_trained_too() -> None:
    world, program = World(), TwoHops()
    program.answer.demos.data = [pg.Demo({"question": "number 1"}, "1")]
    optimizer = TextGrad([program.answer.instruction, program.plan.instruction], model=world.model)
    with pg.llm.use(world.model):
        optimizer.backward(program("number 2"), "only the number is wanted")
        optimizer.step()
    (prompt,) = world.prompts["rewriter"]
    beside = prompt.partition("# Beside it")[2].partition("\n# ")[0]
    assert "## answer.demos\nkind: demos" in beside
    assert "role: worked examples shown to a language model" in beside
    assert "question: number 1\n→ 1\n```\n(not yours to change)" in beside  # not bound
    assert "plan.instruction" not in beside  # another model call
    both = Evidence({p.id: evidence_of(p) for p in (program.answer.instruction, program.answer.demos)})
    assert both.parameters["answer.instruction"].peers == ("answer.demos",)


def test_V8_a_critics_own_prompt_is_trained_through_create_graph() -> None:
    spec = importlib.util.spec_from_file_location("train_critic", EXAMPLES / "train_critic.py")
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    found = example.main()
    assert found["before"] == ("Answer the question as well as you can.", "A long time ago.")
    assert found["critic"] == "You explain feedback. Name what is missing. Be short."
    assert found["after"] == ("Answer the question with the year.", "In 1843.")


@trace.model
class Greeter:
    """The workflow of the Trace document."""

    def __init__(self) -> None:
        self.style = trace.node("Yo", trainable=True, description="the greeting word")

    @trace.bundle(trainable=True)
    def surname(self, request: str) -> str:
        """The family name of the person to greet."""
        return request.split()[-1]

    @trace.bundle
    def greet(self, style: str, name: str) -> str:
        return f"{style} {name}"

    def forward(self, request: str) -> object:
        return self.greet(self.style, self.surname(request))


class Polite(AutoGuide):
    """The feedback oracle."""

    def get_feedback(self, query: str, response: str, reference: str | None = None) -> tuple[float, str]:
        return float(response == reference), f"{response!r} should be {reference!r}"


def test_T8_a_trainable_bundles_code_stays_as_it_is_and_the_rest_is_trained() -> None:
    seen: list[str] = []

    def writer(request: Any) -> str:
        seen.append(request.messages[0]["content"])
        return json.dumps({"values": {"style": "Dear"}})

    people = [
        (f"{first} {last}", f"Dear {last}") for first in ("Ada", "Alan", "Grace", "Edsger") for last in ("Lovelace", "Turing", "Hopper")
    ]
    agent: Any = Greeter()
    before = agent.parameters("code")[0].value
    loader = DataLoader(people, batch_size=4, seed=0)
    result = MinibatchAlgorithm(
        agent, OptoPrime(model=pg.llm.Fake(writer)), loader, Polite(), validate=people, budget="200 calls", journal=False
    ).train()
    assert (result.score, agent.style.value) == (1.0, "Dear")
    assert agent.parameters("code")[0].value == before
    assert not OptoPrime().serves(agent.parameters("code")[0])
    assert "def surname(self, request: str)" in seen[0].partition("# Fixed")[2]
