"""Agents: the loop, what the model sees, what is recorded, how it ends. Models are scripted (simulated)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pytest

import paragrad as pg
from paragrad.errors import DataError, ExecutionError, ModelError, ServerFailed, UsageError
from paragrad.llm import Request, Response
from paragrad.llm.types import ToolCall
from paragrad.propagators import Subgraph, Text
from paragrad.propagators.subgraph import calls_after
from paragrad.trace import Module, Variable, backward
from paragrad.trace.failure import Failure

Reply = str | dict[str, Any] | list[dict[str, Any]]


def calls(*wanted: tuple[str, dict[str, Any]], text: str = "") -> Response:
    """A reply that calls tools."""
    made = tuple(ToolCall(f"call_{i}", name, arguments) for i, (name, arguments) in enumerate(wanted))
    return Response(text, tool_calls=made, finish="tool_calls")


def turns(*replies: str | Response) -> pg.llm.Fake:
    """A simulated model: reply k to the request that holds k replies."""

    def script(request: Request) -> str | Response:
        return replies[sum(message["role"] == "assistant" for message in request.messages)]

    return pg.llm.Fake(script)


def said(request: Request, role: str) -> list[Any]:
    """The contents of one role."""
    return [message["content"] for message in request.messages if message["role"] == role]


@pg.tool
def weather(city: str, days: int = 1) -> dict[str, Any]:
    """The weather of a city.

    Args:
        city: its name.
    """
    if city == "Atlantis":
        raise LookupError(f"{city} is under water")
    return {"city": city, "degrees": 20 + days}


def run(agent: Any, model: Any, *args: Any, **inputs: Any) -> Any:
    with pg.llm.use(model):
        return agent(*args, **inputs)


def test_calls_are_carried_out_in_order_and_shown_to_the_model() -> None:
    agent = pg.Agent("Help.", tools=[weather])
    model = turns(calls(("weather", {"city": "Oslo"}), ("weather", {"city": "Rome", "days": 3}), text="Let me see."), "Rome is warmer.")
    out = run(agent, model, question="Where is it warmer?")
    assert (out.value, out.call.component, dict(out.call.input_args)) == ("Rome is warmer.", "agent", {"question": "Where is it warmer?"})
    first, second = model.requests
    assert [message["role"] for message in second.messages] == ["system", "user", "assistant", "tool", "tool"]
    assert second.messages[2] == {
        "role": "assistant",
        "content": "Let me see.",
        "tool_calls": [
            {"id": "call_0", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}},
            {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome", "days": 3}'}},
        ],
    }
    assert [json.loads(text) for text in said(second, "tool")] == [{"city": "Oslo", "degrees": 21}, {"city": "Rome", "degrees": 23}]
    assert [message.get("tool_call_id") for message in second.messages[3:]] == ["call_0", "call_1"]
    assert first.tools == second.tools
    assert first.messages == second.messages[:2]


@pytest.mark.parametrize(
    ("call", "shown"),
    [
        (("weather", {"city": "Atlantis"}), "error: LookupError: Atlantis is under water"),
        (("wether", {"city": "Oslo"}), "error: no tool is called 'wether'; did you mean 'weather'? The tools are: weather"),
        (("search", {}), "error: no tool is called 'search'; The tools are: weather"),
        (("weather", {}), "error: weather: city is missing. Its arguments are: city, days"),
        (("weather", {"city": "Oslo", "days": "two"}), "error: weather: days: Input should be a valid integer, unable to parse"),
    ],
)
def test_what_goes_wrong_is_told_to_the_model_exactly(call: Any, shown: str) -> None:
    model = turns(calls(call), "I could not.")
    assert run(pg.Agent("Help.", tools=[weather]), model, q="x").value == "I could not."
    (content,) = said(model.requests[-1], "tool")
    assert content.startswith(shown)
    assert "Traceback" not in content
    assert "raise " not in content  # the source is for optimizers


def failing_then_right() -> tuple[Any, Any]:
    agent = pg.Agent("Help.", tools=[weather])
    model = turns(calls(("weather", {"city": "Atlantis"})), calls(("weather", {"city": "Oslo"})), "21 degrees")
    return agent, run(agent, model, city=Variable("Oslo", requires_grad=True, name="city"))


def test_feedback_on_the_answer_reaches_instruction_tools_and_inputs() -> None:
    agent, out = failing_then_right()
    names = ["instruction", "tools.weather.description", "tools.weather.arguments.city"]
    assert list(agent.named_parameters()) == names
    assert list(out.predecessors) == [
        "instruction", "city", "tools['weather']", "tools['weather']['city']", "messages[2]", "messages[3]", "messages[4]", "messages[5]"
    ]  # fmt: skip
    failed = out.predecessors["messages[3]"]
    assert isinstance(failed.value, Failure)
    assert "raise LookupError" in failed.value.report
    out.backward(pg.Feedback(0.0, "Say where."))
    for parameter in agent.parameters():
        assert {g.value for g in parameter.grad} == {"Say where."}
        assert [s.value for s in parameter.scores] == [0.0] * 3
        assert {p.id for p in parameter.peers} == set(names) - {parameter.id}
    weather.description.zero_grad()


def test_the_critic_is_asked_once_per_reply_and_call_and_sees_what_happened() -> None:
    agent, out = failing_then_right()
    seen: list[tuple[str, tuple[str, ...], Any]] = []

    def critic(record: Any, feedback: str) -> dict[str, str]:
        seen.append((record.op.name, record.names, record.value))
        return {name: f"{name}: {feedback}" for name in record.names}

    backward([out], ["Wrong."], propagators=[Text(critic)])
    assert [name for name, _, _ in seen].count("agent") == 3
    assert [(names, value) for name, names, value in seen if name == "weather"] == [
        (("city", ), {"city": "Oslo", "degrees": 21}), (("city", ), out_value(seen))
    ]  # fmt: skip
    assert {name for name, _, _ in seen} == {"agent", "weather"}
    texts = [g.value for g in agent.instruction.grad]
    assert len(texts) == 3
    assert all(text.startswith("instruction: ") for text in texts)
    weather.description.zero_grad()


def out_value(seen: Sequence[Any]) -> Any:
    return next(value for name, _, value in seen if name == "weather" and isinstance(value, Failure))


def test_the_subgraph_shows_every_reply_call_and_result() -> None:
    agent, out = failing_then_right()
    backward([out], [pg.Feedback(0.0, "No.")], propagators=[Subgraph()])
    starts = agent.instruction._accumulator().graphs
    found = [(call.op, str(call.value).splitlines()[0]) for call in calls_after(starts)]
    assert [pair for pair in found if pair[0] != "argument"] == [
        ("agent", 'weather(city="Atlantis")'),
        ("weather", "(LookupError) Atlantis is under water"),
        ("agent", 'weather(city="Oslo")'),
        ("weather", "{'city': 'Oslo', 'degrees': 21}"),
        ("agent", "21 degrees"),
        ("feedback", "No."),
    ]
    weather.description.zero_grad()


def test_an_answer_of_the_wrong_form_is_asked_for_again_with_the_error() -> None:
    agent = pg.Agent("Count.", tools=[weather], output=int, max_steps=3)
    model = turns("many", calls(("weather", {"city": "Oslo"})), "12")
    out = run(agent, model, q="x")
    assert out.value == 12
    assert said(model.requests[1], "user")[-1] == "'many' is not a whole number. Answer with the number and nothing else"
    assert isinstance(out.predecessors["messages[2]"].value, Failure)
    with pytest.raises(ExecutionError, match="'some' is not a whole number") as error:
        run(pg.Agent("Count.", tools=[weather], output=int, max_steps=1), turns("some"), q="x")
    assert error.value.output.call.raw_response == "some"


def test_an_agent_that_does_not_answer_ends_with_an_output_that_says_so() -> None:
    agent = pg.Agent("Help.", tools=[weather], max_steps=3)
    model = turns(*[calls(("weather", {"city": "Oslo"}))] * 9)
    with pytest.raises(ExecutionError) as error:
        run(agent, model, q="x")
    text = 'the episode was ended after 3 replies of the agent (max_steps=3): there is no answer; its last reply: weather(city="Oslo")'
    assert str(error.value) == f"agent: {text}"
    assert error.value.output.value.message == text
    assert model.calls == 3
    error.value.output.backward("Answer at last.")
    assert {g.value for g in agent.instruction.grad} == {"Answer at last."}
    weather.description.zero_grad()


@pytest.mark.parametrize("steps", [0, -1, 2.0, True, None])
def test_max_steps_is_a_whole_number(steps: Any) -> None:
    with pytest.raises(UsageError, match="a whole number from 1"):
        pg.Agent("x", tools=[weather], max_steps=steps)


def test_production_keeps_no_graph(left_alive: Callable[[], int]) -> None:
    agent = pg.Agent("Help.", tools=[weather])
    with pg.llm.use(turns(calls(("weather", {"city": "Oslo"})), "fine")):
        for _ in range(50):
            assert agent.predict(q="x") == "fine"
        assert asyncio.run(agent.apredict(q="x")) == "fine"
    assert left_alive() <= 8  # the Parameters themselves


def test_inputs_by_place_options_and_demos_are_those_of_a_generator() -> None:
    agent = pg.Agent("Help.", tools=[weather], inputs=["city"], temperature=0.5, template="{instruction} City: {city}", name="guide")
    model = turns("ok")
    assert run(agent, model, "Oslo").value == "ok"
    (request,) = model.requests
    assert (request.temperature, request.messages[0]["content"]) == (0.5, "Help. City: Oslo")
    assert list(agent.named_parameters()) == ["instruction", "tools.weather.description", "tools.weather.arguments.city"]
    assert agent.instruction.id == "guide.instruction"


def test_a_structured_answer_is_typed_and_the_schema_is_told_in_words_while_tools_are_offered() -> None:
    @dataclass
    class Report:
        city: str
        degrees: int

    agent = pg.Agent("Report.", tools=[weather], output=Report)
    model = turns(calls(("weather", {"city": "Oslo"})), '{"city": "Oslo", "degrees": 21}')
    out = run(agent, model, q="x")
    assert (out.value, out.degrees.value) == (Report("Oslo", 21), 21)
    assert [request.schema for request in model.requests] == [None, None]
    assert '"degrees"' in model.requests[0].messages[0]["content"]


class Team(Module):
    """Two agents that share a tool."""

    def __init__(self) -> None:
        self.scout = pg.Agent("Scout.", tools=[weather], inputs=["place"])
        self.writer = pg.Agent("Write.", tools=[weather], inputs=["report"])

    def forward(self, place: str) -> Any:
        """Scout, then write."""
        return self.writer(report=self.scout(place=place))


def test_agents_inside_a_program_share_their_tools_words() -> None:
    weather.description._meta.path = None
    for words in weather.arguments.values():
        words._meta.path = None
    team = Team()
    assert list(team.named_parameters()) == [
        "scout.instruction", "scout.tools.weather.description", "scout.tools.weather.arguments.city", "writer.instruction"
    ]  # fmt: skip
    with pg.llm.use(turns("sunny")), pg.teacher() as steps:
        assert team(place="Oslo").value == "sunny"
    assert [(step.component, dict(step.input_args)) for step in steps] == [("scout", {"place": "Oslo"}), ("writer", {"report": "sunny"})]


def test_the_model_s_outage_and_the_tool_s_are_no_answers() -> None:
    @pg.tool
    def remote(key: str) -> str:
        """Ask a server."""
        raise ConnectionError("refused")

    agent = pg.Agent("Help.", tools=[remote])
    with pytest.raises(ConnectionError):
        run(agent, turns(calls(("remote", {"key": "a"}))), q="x")
    with pytest.raises(ModelError):
        run(agent, pg.llm.Fake(lambda request: ServerFailed("down")), q="x")
    rows = pg.data.rows([("x", "y")])
    with pytest.raises(pg.errors.Outage, match="1 of 1 rows got no answer"):
        pg.evaluate(agent, rows, metric="exact_match", model=turns(calls(("remote", {"key": "a"}))))


def test_tool_failures_are_feedback_of_rows_that_are_not_right() -> None:
    agent = pg.Agent("Help.", tools=[weather])
    model = turns(calls(("weather", {"city": "Atlantis"}), ("wether", {})), "no")
    found = pg.evaluate(agent, [("x", "yes"), ("y", "no")], metric=lambda output, target: (output == target, "Wanted yes."), model=model)
    wrong, right = found.items
    assert wrong.feedback is not None
    assert wrong.feedback.splitlines() == [
        "Wanted yes.",
        "weather failed: (LookupError) Atlantis is under water",
        "wether failed: (UnknownTool) no tool is called 'wether'; did you mean 'weather'? The tools are: weather",
    ]
    assert right.feedback == "Wanted yes."
    assert [step.component for step in wrong.episodes[0].steps] == ["weather", "wether", "agent"]
    assert {step.row.id for step in wrong.episodes[0].steps} == {"1"}


def test_saved_agents_are_loaded_by_their_own_code(tmp_path: Any) -> None:
    agent = pg.Agent("Help.", tools=[weather])
    agent.save(tmp_path)
    agent.instruction.data = "Other."
    with pytest.raises(DataError, match="'Agent with tools'; make that program and call"):
        pg.load(tmp_path)
    assert agent.load(tmp_path).instruction.value == "Help."
    tooled = pg.Generator("Help.", tools=[weather])
    tooled.save(tmp_path / "tooled")
    with pytest.raises(DataError, match="'Generator with tools'; make that program"):
        pg.load(tmp_path / "tooled")


# --- one round of tools ----------------------------------------------------------------------------


def test_a_generator_with_tools_may_use_them_once_before_it_answers() -> None:
    ask = pg.Generator("Answer.", tools=[weather], output=Literal["warm", "cold"])
    model = turns(calls(("weather", {"city": "Oslo"}), ("weather", {})), "warm")
    out = run(ask, model, q="Oslo?")
    assert out.value == "warm"
    first, second = model.requests
    assert [tool["function"]["name"] for tool in first.tools] == ["weather"]
    assert second.tools == ()
    assert [text[:7] for text in said(second, "tool")] == ['{"city"', "error: "]
    out.backward("Too short.")
    assert {g.value for g in weather.description.grad} == {"Too short."}
    assert list(ask.named_parameters()) == ["instruction", "tools.weather.description", "tools.weather.arguments.city"]
    weather.description.zero_grad()
    direct = turns("cold")
    assert run(ask, direct, q="x").value == "cold"
    assert direct.calls == 1
    with pytest.raises(ExecutionError, match="is none of: warm, cold"):
        run(ask, turns(calls(("weather", {"city": "Oslo"})), calls(("weather", {"city": "Oslo"}))), q="x")


def test_a_prompt_with_tools_keeps_its_types_and_inputs() -> None:
    @pg.prompt(tools=(weather,), demos=1)
    def degrees(city: str, unit: str = "C") -> int:
        """How warm is it?"""
        ...

    model = turns(calls(("weather", {"city": "Oslo"})), "21")
    out: Any = run(degrees, model, "Oslo")
    assert out.value == 21
    assert said(model.requests[0], "user") == ["city: Oslo\nunit: C"]
    assert list(degrees.named_parameters())[:3] == ["instruction", "demos", "tools.weather.description"]
    with pytest.raises(UsageError, match="is no tool"):
        pg.Generator("x", tools=["weather"])
