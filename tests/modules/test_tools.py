"""Tools: what a model is told of a typed function, what it may give as arguments, what it sees of a result."""

from __future__ import annotations

import asyncio
import enum
import functools
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

import paragrad as pg
from paragrad.errors import UsageError
from paragrad.llm.types import ToolCall
from paragrad.modules.observing import plain_data, words_of
from paragrad.modules.tools import LONGEST, Tool, tool
from paragrad.modules.toolset import Toolset
from paragrad.trace import Variable, bundle
from paragrad.trace.record import Edges


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"


@dataclass
class Address:
    street: str
    number: int = 1


class Parcel(BaseModel):
    to: Address
    sizes: list[Size] = []


@tool
def send(parcel: Parcel, note: Annotated[str, "a word to the receiver"], when: Literal["now", "later"] = "now", weight: float = 1.5) -> str:
    """Send a parcel.

    It is fetched at the door.

    Args:
        parcel (Parcel): what to send,
            and where.
        note: never shown, the annotation wins.
        when: how soon

    Returns:
        Its number.
    """
    return f"{parcel.to.street} {parcel.sizes} {note} {when} {weight}"


def told(tool: Tool[..., Any]) -> dict[str, Any]:
    """The declaration's function part."""
    (declared,) = Toolset([tool]).declared(Edges())
    assert json.loads(json.dumps(declared)) == declared
    assert declared["type"] == "function"
    return dict(declared["function"])


def test_a_tool_is_told_by_its_types_and_words() -> None:
    found = told(send)
    assert (found["name"], found["description"]) == ("send", "Send a parcel.\n\nIt is fetched at the door.\n\nReturns:\n    Its number.")
    schema = found["parameters"]
    assert (schema["type"], schema["required"], schema["additionalProperties"]) == ("object", ["parcel", "note"], False)
    properties = schema["properties"]
    assert list(properties) == ["parcel", "note", "when", "weight"]
    assert properties["parcel"] == {"$ref": "#/$defs/Parcel", "description": "what to send, and where."}
    assert properties["note"] == {"type": "string", "description": "a word to the receiver"}
    assert properties["when"] == {"enum": ["now", "later"], "type": "string", "default": "now", "description": "how soon"}
    assert properties["weight"] == {"type": "number", "default": 1.5}
    assert schema["$defs"]["Size"]["enum"] == ["s", "l"]


def test_every_word_is_a_parameter_and_the_request_follows_it() -> None:
    names = [f"tools.send.{rest}" for rest in ("description", "arguments.parcel", "arguments.when", "arguments.note")]
    agent = pg.Agent("Send it.", tools=[send])
    assert sorted(agent.named_parameters()) == sorted(["instruction", *names])
    assert all(p.kind == "text" and p.requires_grad for p in agent.parameters())
    with pg.overlay({send.description: "Ships.", send.arguments["when"]: "the hour"}):
        found = told(send)
        assert (found["description"], found["parameters"]["properties"]["when"]["description"]) == ("Ships.", "the hour")
    assert told(send)["description"].startswith("Send a parcel.")
    with pytest.raises(ValueError, match=f"at most {LONGEST}"):
        send.description.data = "x" * (LONGEST + 1)
    fixed = tool(trainable=False, name="other")(lambda: None)
    assert not fixed.description.requires_grad
    assert told(fixed)["parameters"] == {"additionalProperties": False, "properties": {}, "type": "object"}
    assert fixed.description.value == "other"  # without a docstring: its name in words


def test_arguments_are_checked_and_come_as_the_types_say() -> None:
    given = {"parcel": {"to": {"street": "Main", "number": "7"}, "sizes": ["l"]}, "note": "hi", "weight": 2}
    checked = send.signature.checked(given)
    assert checked == {"parcel": Parcel(to=Address("Main", 7), sizes=[Size.LARGE]), "note": "hi", "weight": 2.0}
    assert isinstance(checked["parcel"].to, Address)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"note": "x"}, "parcel is missing"),
        ({"parcel": {"to": {"street": 1}}, "note": "x"}, "parcel.to.street: Input should be a valid string (got 1)"),
        ({"parcel": {"to": {"street": "a"}}, "note": "x", "when": "soon"}, "when: Input should be 'now' or 'later' (got 'soon')"),
        ({"parcel": {"to": {"street": "a"}}, "note": "x", "colour": 1}, "colour is no argument"),
        ({"parcel": {"to": {"street": "a"}}, "note": None}, "note: Input should be a valid string (got None)"),
        ({"parcel": "p" * 500, "note": "x"}, "…)"),
    ],
)
def test_wrong_arguments_are_named_exactly(arguments: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=r"^send: ") as error:
        send.signature.checked(arguments)
    assert complaint in str(error.value)
    assert str(error.value).endswith("Its arguments are: parcel, note, when, weight")
    assert len(str(error.value)) < 400


def test_argument_names_may_be_anything() -> None:
    @tool
    def odd(schema: str, model_config: int, json: Annotated[bool, Field(description="as JSON", ge=0)] = False) -> str:
        return f"{schema} {model_config} {json}"

    assert odd.signature.checked({"schema": "a", "model_config": "3", "json": True}) == {"schema": "a", "model_config": 3, "json": True}
    assert told(odd)["parameters"]["properties"]["json"]["description"] == "as JSON"


class Kit:
    """Methods of every kind."""

    factor = 3

    @tool
    def times(self, x: int) -> int:
        """Multiply."""
        return x * self.factor

    @tool
    @staticmethod
    def plus(x: int) -> int:
        """Add one."""
        return x + 1

    @tool
    @classmethod
    def of_class(cls, x: int) -> int:
        """Add the factor."""
        return x + cls.factor

    @tool
    async def later(self, x: int) -> int:
        """Multiply, asynchronously."""
        await asyncio.sleep(0)
        return x * self.factor

    @bundle
    def bundled(self, x: int) -> int:
        """A bundle's method."""
        return x - self.factor

    def plain(self, x: int) -> int:
        """A plain method."""
        return x // self.factor


def test_to_its_author_a_tool_stays_a_traced_function() -> None:
    kit, x = Kit(), Variable(5, requires_grad=True)
    for out, value in [(kit.times(x), 15), (kit.plus(x), 6), (kit.of_class(x), 8), (Kit.plus(x), 6), (Kit.of_class(x), 8)]:
        assert out.value == value  # type: ignore[attr-defined]
        assert list(out.predecessors.values()) == [x]  # type: ignore[attr-defined]
    assert asyncio.run(kit.later(x)).value == 15  # type: ignore[attr-defined]
    assert Kit.times.predict(kit, 2) == 6
    assert Kit.times.__doc__ == "Multiply."
    assert Kit.times.description.value == "Multiply."


def divided(of: int, x: int) -> int:
    """Divide."""
    return of // x


@pytest.mark.parametrize(
    ("given", "name", "result"),
    [
        (Kit().times, "times", 12),
        (Kit().plus, "plus", 5),
        (Kit.of_class, "of_class", 7),
        (Kit().later, "later", 12),
        (Kit().bundled, "bundled", 1),
        (Kit().plain, "plain", 1),
        (tool(name="halved")(functools.partial(divided, 8)), "halved", 2),
    ],
    ids=["method", "static", "class", "async", "bundle", "plain method", "partial"],
)
def test_callables_of_every_kind_can_be_tools(given: Any, name: str, result: int) -> None:
    tools = Toolset([given])
    assert list(told(tools[name])["parameters"]["properties"]) == ["x"]
    done = tools.run(ToolCall("1", name, {"x": 4}), Variable("a reply"), None)
    assert (done.result.value, done.step.component, dict(done.step.input_args)) == (result, name, {"x": 4})


def test_a_prompt_can_be_a_tool_and_its_words_are_found() -> None:
    @pg.prompt
    def translate(text: str) -> str:
        """Translate into French."""
        ...

    agent = pg.Agent("Help.", tools=[translate])
    assert {p.value for p in agent.parameters()} == {"Help.", "Translate into French."}
    assert translate.instruction in agent.parameters()


def variadic(*words: str) -> None: ...
def positional(x: int, /) -> None: ...
def untyped(x) -> None: ...  # type: ignore[no-untyped-def]
def unresolved(x: Missing) -> None: ...  # type: ignore[name-defined] # noqa: F821
def opaque(x: object, y: Kit) -> None: ...


@pytest.mark.parametrize(
    ("tools", "complaint"),
    [
        ([variadic], r"takes \*words; a model gives its arguments by name"),
        ([positional], "by name"),
        ([untyped], "the argument 'x' of the tool untyped has no type; write x: str"),
        ([unresolved], "the types of the tool unresolved cannot be resolved: name 'Missing'"),
        ([opaque], "an argument of the tool opaque has a type that cannot be checked"),
        ([lambda: 1], "'<lambda>' is no name for a tool"),
        ([send, send], "two tools are called 'send'"),
        (["send"], "'send' is no tool"),
        ([Kit], "is no tool"),
        ("send", "neither a list of tools nor an Environment class"),
        (Kit, "neither a list of tools nor an Environment class"),
        (pg.Environment(), "tools=Environment.* is one environment; give the class"),
        (pg.Environment, "has neither @pg.tool methods nor step"),
    ],
)
def test_what_no_model_can_call_is_refused_where_the_agent_is_made(tools: Any, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        pg.Agent("x", tools=tools)


def test_results_are_plain_data_that_later_changes_do_not_touch() -> None:
    address = Address("Main")
    seen = plain_data([address, {"k": (1, 2)}, Size.LARGE])
    address.number = 9
    assert seen == [{"street": "Main", "number": 1}, {"k": [1, 2]}, "l"]
    assert plain_data({"b", "a", "c"}) == ["a", "b", "c"]
    assert plain_data(Parcel(to=Address("x")))["to"] == {"street": "x", "number": 1}
    assert plain_data(object()) == "<object object>"
    assert plain_data(b"\xff\x00") == "_wA="
    assert plain_data(x for x in "ab") == ["a", "b"]
    import numpy as np

    assert plain_data({"array": np.arange(3)}) == {"array": [0, 1, 2]}
    assert [words_of(x) for x in ("é", "", None, 3, {"a": "é"}, True)] == ["é", "(empty)", "done", "3", '{"a": "é"}', "true"]


def test_generators_and_nested_variables_keep_their_history() -> None:
    trained = pg.Parameter("secret", name="trained")

    @tool
    def lines(count: int) -> Iterator[str]:
        yield from (f"{trained.value}{i}" for i in range(count))

    @tool
    async def later(count: int) -> AsyncIterator[Any]:
        for _ in range(count):
            yield {"deep": [trained]}

    for one, value in ((lines, ["secret0", "secret1"]), (later, [{"deep": ["secret"]}] * 2)):
        out = one.observe(None, {"count": 2})
        assert out.value == value
        assert trained in out.predecessors.values()
