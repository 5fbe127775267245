"""What a model is asked, what its answer becomes, and how programs are run on many rows."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import pytest

import paragrad as pg
from paragrad.errors import BadRequest, ExecutionError, NotConnected, Outage, UsageError
from paragrad.modules.template import fill, names_in


@pg.prompt(demos=2, temperature=0.0)
def route(ticket: str, plan: str = "free") -> Literal["billing", "bug"]:
    """Decide which team must answer the ticket."""
    ...


def asked(wire: Any) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in wire.requests[-1].messages]


def test_a_prompt_is_its_docstring_its_parameters_and_its_return_type() -> None:
    made: Any = route
    wire = pg.llm.Fake(lambda request: " Billing. ")
    with pg.llm.use(wire):
        out = made("I was charged twice", plan="pro")
    assert out.value == "billing"
    roles = asked(wire)
    assert roles[0][0] == "system"
    assert roles[0][1].startswith("Decide which team must answer the ticket.")
    assert "billing, bug" in roles[0][1]
    assert roles[1] == ("user", "ticket: I was charged twice\nplan: pro")
    assert wire.requests[-1].temperature == 0.0
    assert [p.id for p in made.parameters()] == ["route.instruction", "route.demos"]
    assert {p.id for p in made.instruction.peers} <= {"route.demos"}


@pytest.mark.parametrize(
    ("args", "kwargs", "match"),
    [
        ((), {}, "ticket"),
        (("a", "b", "c"), {}, "positional|too many"),
        (("a",), {"plam": "x"}, "plam"),
        (("a",), {"ticket": "b"}, "ticket|multiple"),
    ],
)
def test_wrong_arguments_are_type_errors_and_cost_nothing(args: Any, kwargs: Any, match: str) -> None:
    wire = pg.llm.Fake(lambda request: "bug")
    with pg.llm.use(wire), pytest.raises(TypeError, match=match):
        route(*args, **kwargs)
    assert wire.calls == 0


def test_a_bad_answer_is_an_output_with_the_reason() -> None:
    made: Any = route
    with pg.llm.use(pg.llm.Fake(lambda request: "the weather team")):
        with pytest.raises(ExecutionError, match="none of: billing, bug") as caught:
            made("x")
        out = caught.value.output
        assert out.call.raw_response == "the weather team"
        assert out.call.error is not None
        assert out.call.input_args["ticket"] == "x"
        out.backward("say billing or bug")
        assert len(made.instruction.grad) == 1
        made.instruction.zero_grad()
        outputs = made.map([("a",), {"ticket": "b"}, "c"])
        assert [o.call.input_args["ticket"] for o in outputs] == ["a", "b", "c"]
        assert all(isinstance(e, ExecutionError) for e in made.predict_many(["a", "b"]))


def test_what_a_call_saw_is_its_own_in_every_thread() -> None:
    made: Any = route
    wire = pg.llm.Fake(lambda request: "bug" if "odd" in str(request.messages[-1]) else "billing")

    def run(number: int) -> Any:
        with pg.llm.use(wire):
            return made("odd" if number % 2 else "even", plan=str(number))

    with ThreadPoolExecutor(16) as pool:
        outputs = list(pool.map(run, range(200)))
    for number, out in enumerate(outputs):
        assert out.value == ("bug" if number % 2 else "billing")
        assert out.call.input_args["plan"] == str(number)
        assert out.call.usage.input_tokens > 0
        assert out.call.ended >= out.call.started
    with pytest.raises(TypeError):
        outputs[0].call.input_args["plan"] = "other"


def test_errors_of_the_model_are_raised_as_they_are() -> None:
    made: Any = route
    with pytest.raises(NotConnected, match="no language model"):
        made("x")
    with pg.llm.use(pg.llm.Fake([BadRequest("too long")])), pytest.raises(BadRequest, match="too long"):
        made("x")
    with pg.llm.use(pg.llm.Fake([BadRequest("too long")])), pytest.raises(Outage):
        made.map(["x"])


@dataclasses.dataclass
class Review:
    """A typed answer."""

    stars: int
    text: str = ""


def test_structured_answers_have_traced_fields() -> None:
    made: Any = pg.Generator("Review.", output=Review, inputs=["book"])
    with pg.llm.use(pg.llm.Fake(lambda request: 'Sure:\n```json\n{"stars": "4", "text": "good"}\n```')):
        out = made("x")
        assert out.value == Review(4, "good")
        twice = out.stars * 2
        assert twice.value == 8
        assert out.text.value == "good"
        twice.backward("too many")
        assert made.instruction.grad
    with pg.llm.use(pg.llm.Fake(lambda request: '{"stars": "many"}')), pytest.raises(ExecutionError, match="stars"):
        made("x")


@pytest.mark.parametrize(
    ("output", "reply", "value"), [(int, "1,000", 1000), (float, "**0.5**", 0.5), (bool, "Yes.", True), (str, " a\n", "a")]
)
def test_plain_answers(output: Any, reply: str, value: Any) -> None:
    made: Any = pg.Generator("Say.", output=output)
    with pg.llm.use(pg.llm.Fake(lambda request: reply)):
        assert made.predict(x=1) == value


def test_templates_replace_names_and_nothing_else() -> None:
    assert names_in("{a} {b} {a} {{c}} {0} { d }") == ["a", "b", "c"]
    assert fill("{a}: {{b}} {x!r} {", {"a": "{b}", "b": 1}) == "{b}: {1} {x!r} {"
    with pytest.raises(UsageError, match=r"wants \{b\}"):
        fill("{a}{b}", {"a": 1})
    with pytest.raises(UsageError, match=r"no \{instruction\}"):
        pg.Generator("x", template="{question}")
    p: Any = pg.Parameter("{a} and {b}", name="t")
    made: Any = pg.format(p, a=pg.Variable("x", requires_grad=True), b=[1, None])
    assert made.value == "x and [1, null]"
    made.backward("hm")
    assert p.grad


@pytest.mark.parametrize("wrong", [{"instruction": 3}, {"demos": -1}, {"demos": True}, {"demos": "two"}, {"output": object()}])
def test_wrong_generators_are_refused_when_they_are_made_or_asked(wrong: dict[str, Any]) -> None:
    with pytest.raises((UsageError, TypeError, ValueError)):  # noqa: PT012 - some types are known to be wrong when the model is told of them
        made: Any = pg.Generator(**{"instruction": "x", **wrong})
        with pg.llm.use(pg.llm.Fake(lambda request: "{}")):
            made.predict(x=1)


def test_a_prompt_without_a_docstring() -> None:
    with pytest.raises(UsageError, match="has no docstring"):

        @pg.prompt
        def nothing(x: str) -> str: ...


def test_bound_programs_hold_their_model_and_release(tmp_path: Any) -> None:
    made: Any = pg.prompt(_named)
    url = f"sqlite:///{tmp_path}/x.db"
    store = pg.stores.open(url)
    with pg.parameter_context(store):
        made.instruction.data = "First."
        store.release("r")
        store.tag("r@1", "production")
        made.instruction.data = "Second."
        store.release("r")
    wire = pg.llm.Fake(lambda request: request.messages[0]["content"])
    once = made.bind(model=wire, release=f"{url}#r@production")
    always = made.bind(model=wire, release=f"{url}#r@production", refresh=0)
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(once.predict, "abcdefgh")) == {"First."}
    assert made.instruction.value == "Name it."
    assert always.predict("x") == "First."
    store.tag("r@2", "production", expect="r@1")
    assert once.predict("x") == "First."
    assert always.predict("x") == "Second."
    with pg.llm.use(pg.llm.Fake(lambda request: "other")):
        assert always.predict("x") == "Second."


def _named(x: str) -> str:
    """Name it."""
    ...
