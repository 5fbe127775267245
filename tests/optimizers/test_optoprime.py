"""OptoPrime: the sub-graph as a program, one call for all Parameters, bounded, the same names in every run. Models are simulated."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

import paragrad as pg
from paragrad.optimizers import OptoPrime
from paragrad.optimizers.collected import collected
from paragrad.optimizers.program import program_of
from paragrad.propagators import Subgraph
from paragrad.protocols.evidence import Evidence
from paragrad.testing import check_optimizer
from paragrad.trace import backward
from paragrad.trace.failure import Failure
from paragrad.trainers.evaluation import Evaluation


@pg.bundle(effects=())
def greet(style: str, name: Any) -> str:
    """Greets."""
    return f"{style} {name}"


@pg.bundle(effects=())
def call_it(style: str) -> str:
    return style.upper()


def graphs(parameters: list[Any], outputs: list[Any], feedbacks: list[Any]) -> Evidence:
    """Evidence of one backward."""
    numbers = OptoPrime(parameters)
    numbers.backward(outputs, feedbacks)
    return collected(parameters, Random(0))


def program(evidence: Evidence, most: int = 20, budget: int = 24_000) -> Any:
    return program_of(evidence.items, evidence, most, budget)


def asked(evidence: Evidence, optimizer: Any = None, state: Any = None, n: int = 1) -> list[str]:
    """The prompts of one proposal."""
    prompts: list[str] = []

    def ask(messages: Any, **_: Any) -> str:
        prompts.append(messages[0]["content"])
        return '{"no_change": true}'

    (optimizer or OptoPrime()).propose(evidence, state or {"tried": []}, n=n, ask=ask)
    return prompts


def test_conformance() -> None:
    values = {"kit.instruction": "Be brief.", "kit.temperature": 0.25}
    assert check_optimizer(OptoPrime, reply=lambda _: json.dumps({"values": values})) > 0


def test_operators_read_as_python() -> None:
    p, n = pg.Parameter("abc", name="p"), pg.Parameter(2, name="n")
    value: Any = p
    text = call_it(value[0].upper() + "!" + pg.format("{a}-{b}", a=value, b="x"))
    total: Any = -(n + 1) * 2.5
    found = program(graphs([p, n], [greet(text, total)], ["w"]))
    assert found.code.splitlines() == [
        "call_it_1 = call_it(style=((p[0].upper() + \"!\") + format(\"{a}-{b}\", p, \"x\")))",
        "greet_1 = greet(style=call_it_1, name=(-(n + 1) * 2.5))",
    ]  # fmt: skip
    assert found.parameters == ("p", "n")
    assert found.documentation == "greet: Greets."


def test_containers_keep_their_shape_and_long_lists_are_cut() -> None:
    p = pg.Parameter("p", name="p")
    parts = [call_it(p) for _ in range(20)]
    found = program(graphs([p], [greet("Hi", {"all": parts, "rest": ("one", p)})], ["w"]))
    last = found.code.splitlines()[-1]
    assert "name={'all': [call_it_1, call_it_2" in last
    assert "... 8 more ..., call_it_19, call_it_20]" in last
    assert "'rest': [\"one\", p]" in last


def test_values_are_found_by_the_graph_and_never_by_comparison() -> None:
    p, q = pg.Parameter("same", name="p"), pg.Parameter("same", name="q")
    found = program(graphs([p, q], [greet(q, "same")], ["w"]))
    assert found.code == "greet_1 = greet(style=q, name=name)"
    assert found.parameters == ("q",)
    one: Any = pg.bundle(effects=())(lambda style: "same")
    twice = greet(one(p), one(p))
    assert "greet(style=function_1, name=function_2)" in program(graphs([p], [twice], ["w"])).code


def test_reads_and_failures_are_shown() -> None:
    p = pg.Parameter("abc", name="p")

    @pg.bundle
    def broken(x: str) -> int:
        return int(x + p.value)

    with pytest.raises(pg.errors.ExecutionError) as caught:
        broken("1")
    assert isinstance(caught.value.output.value, Failure)
    found = program(graphs([p], [caught.value.output], ["It failed."]))
    assert found.code == "broken_1 = broken(x=x, reads=[p])"
    assert "(ValueError) invalid literal" in found.examples
    assert "<--- (ValueError)" in found.examples


def test_a_programs_own_result_needs_no_line() -> None:
    class Program(pg.Module):
        def __init__(self) -> None:
            self.style = pg.param("Yo", "style")
            self.mood = pg.param("glad", "mood")

        def forward(self, name: str) -> Any:
            return greet(self.style, name)

    class Reading(Program):
        def forward(self, name: str) -> Any:
            return f"{self.mood}: {greet(self.style, name)}"

    one = Program()
    assert program(graphs(one.parameters(), [one("Ada")], ["w"])).code == "greet_1 = greet(style=style, name=name)"
    other = Reading()
    found = program(graphs(other.parameters(), [other("Ada")], ["w"]))
    assert found.code.splitlines()[-1].startswith("result_1 = result(")
    assert set(found.parameters) == {"style", "mood"}


def test_one_way_is_shown_once_with_values_per_example_and_another_way_apart() -> None:
    p = pg.Parameter("Yo", name="p")
    outs = [greet(p, f"name {i}") for i in range(3)] + [greet(call_it(p), "name 3")]
    found = program(graphs([p], outs, [pg.Feedback(i / 10, f"words {i}") for i in range(4)]))
    assert found.code.count("greet_1 = greet(style=p") == 1
    assert "## Way 1: examples 1 to 3\n" in found.code
    assert "## Way 2: example 4\ncall_it_1 = call_it(style=p)" in found.code
    assert found.examples.count("## Example") == 4
    assert (
        '## Example 2\nInputs:\nname = "name 1"\nOutputs:\ngreet_1 = "Yo name 1"\nFeedback:\ngreet_1: score 0.1. words 1' in found.examples
    )


def test_what_is_the_same_everywhere_is_shown_once() -> None:
    p = pg.Parameter("Yo", name="p")
    rules = "the same long rule, " * 10
    found = program(graphs([p], [greet(call_it(p), {"rule": rules, "of": i}) for i in range(5)], ["w"] * 5))
    assert found.shared.count("call_it_1") == 1
    assert "call_it_1" not in found.examples
    assert found.examples.count('"of": ') == 5


def test_several_outputs_of_one_run_with_their_own_feedback() -> None:
    p = pg.Parameter("Yo", name="p")
    shared = call_it(p)
    evidence = graphs([p], [greet(shared, "a"), greet(shared, "b")], ["too loud", pg.Feedback(0.5, "too short")])
    (prompt,) = asked(evidence)
    assert prompt.count("call_it(style=p)") == 1
    assert "greet_1: too loud" in prompt
    assert "greet_2: score 0.5. too short" in prompt
    assert prompt.count("## Example") == 1


def test_feedback_accumulates_over_backward_calls_and_zero_grad_forgets_it() -> None:
    p = pg.Parameter("Yo", name="p")
    optimizer = OptoPrime([p])
    optimizer.backward(greet(p, "a"), "first")
    optimizer.backward(greet(p, "b"), "second")
    (prompt,) = asked(collected([p], Random(0)))
    assert ("first" in prompt, "second" in prompt, prompt.count("## Example")) == (True, True, 2)
    optimizer.zero_feedback()
    assert asked(collected([p], Random(0))) == []


def test_the_prompt_stays_bounded() -> None:
    def page(i: int, j: int) -> str:
        return f"{i} {j} " + "long " * 1000

    first, second = pg.Parameter("Retrieve.", name="first"), pg.Parameter("Answer.", name="second")
    step = pg.bundle(effects=())(lambda prompt, text, made: made)
    outs = []
    for i in range(32):
        text: Any = page(i, 0)
        for j in range(4):
            text = step(first if j < 2 else second, text, page(i, j + 1))
        outs.append(text)
    evidence = graphs([first, second], outs, [pg.Feedback(0.0, f"words {i}") for i in range(32)])
    (prompt,) = asked(evidence, OptoPrime(most=32))
    assert prompt.count("## Example") == 32
    assert prompt.count("words ") == 32
    assert len(prompt) < 40_000
    assert len(asked(evidence)[0]) < 30_000


def test_a_long_way_is_cut_in_the_middle_and_its_values_with_it() -> None:
    p = pg.Parameter("x", name="p")
    out: Any = p
    for _ in range(3000):
        out = call_it(out)
    (prompt,) = asked(graphs([p], [out], ["w"]))
    assert "# ... 2760 more calls ..." in prompt
    assert "call_it_3000 = call_it(style=call_it_2999)" in prompt
    assert "call_it_1500" not in prompt


def test_names_are_stable_and_no_address_is_shown() -> None:
    class Thing:
        pass

    def run() -> str:
        p = pg.Parameter("Yo", name="p")
        first: Any = pg.bundle(effects=())(lambda style, thing, things: style)
        return asked(graphs([p], [first(p, pg.node(Thing()), [Thing(), {"k": Thing()}])], ["w"]))[0]

    texts = {run() for _ in range(3)}
    assert len(texts) == 1
    assert "0x" not in texts.pop()


def test_names_that_would_clash_are_told_apart() -> None:
    p, q = pg.Parameter("Yo", name="name"), pg.Parameter("Ada", name="greet_1")
    found = program(graphs([p, q], [greet(p, greet(q, "x"))], ["w"]))
    assert found.code.splitlines() == ["greet_2 = greet(style=greet_1, name=name_2)", "greet_3 = greet(style=name, name=greet_2)"]


def test_fixed_parameters_are_shown_and_not_asked_for() -> None:
    p, fixed = pg.Parameter("Yo", name="p"), pg.Parameter("Ada", name="fixed", requires_grad=False)

    @pg.bundle(trainable=True)
    def shout(x: str) -> str:
        return x

    evidence = graphs([p, *shout.parameters(), fixed], [greet(shout(p), fixed)], ["w"])
    (prompt,) = asked(evidence)
    assert "\n## p\n" in prompt.partition("# Variables")[2].partition("# Constraints")[0]
    kept = prompt.partition("# Fixed")[2].partition("# Examples")[0]
    assert ("def shout(x: str)" in kept, "## fixed\n```\nAda" in kept) == (True, True)
    assert "greet_1 = greet(style=shout_1, name=fixed)" in prompt
    values = json.dumps({"values": {shout.parameters()[0].id: "def shout(x): ..."}})
    assert OptoPrime().propose(evidence, {"tried": []}, ask=lambda *_, **__: values)[0] == []


def test_candidates_differ_in_examples_and_idea() -> None:
    p = pg.Parameter("Yo", name="p")
    evidence = graphs([p], [greet(p, f"n{i}") for i in range(6)], [f"w{i}" for i in range(6)])
    prompts = sorted(asked(evidence, n=3), key=len, reverse=True)
    assert [prompt.count("## Example") for prompt in prompts] == [6, 3, 3]
    assert len({prompt.partition("# Task")[2] for prompt in prompts}) == 3


def test_memory_is_bounded_and_says_each_thing_once() -> None:
    p = pg.Parameter("Yo", name="p")
    evidence = graphs([p], [greet(p, "n")], ["w"])
    optimizer, state = OptoPrime(memory=2), OptoPrime().init([])
    for value, gain in (("A", 0.1), ("B", 0.2), ("A", -0.1), ("C", 0.0)):
        state = optimizer.observe(state, evidence.candidate({"p": value}), Evaluation((), delta=gain))
    assert [(diff.split("+")[1], gain) for diff, gain, _ in state["tried"]] == [("A", -0.1), ("C", 0.0)]
    assert "# Proposals so far" in asked(evidence, state=state)[0]


def test_a_plain_backward_with_the_subgraph_propagator_serves_too() -> None:
    p = pg.Parameter("Yo", name="p")
    backward([greet(p, "a"), greet(p, "b")], ["x", "y"], propagators=[Subgraph()])
    assert asked(collected([p], Random(0)))[0].count("## Example") == 2
