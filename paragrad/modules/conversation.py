"""Conversation: a chat with a model that may call tools; every reply, call and observation is an edge of what follows."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from paragrad.errors import ExecutionError
from paragrad.llm.types import Request, Response, ToolCall
from paragrad.modules.content import content_of
from paragrad.modules.media import Media
from paragrad.modules.messages import Shown, messages_for
from paragrad.modules.observing import words_of
from paragrad.modules.toolset import Done, Toolset
from paragrad.trace.call import Call, Views
from paragrad.trace.failure import Failure
from paragrad.trace.nodes import extra_of
from paragrad.trace.peers import note_peers, parameters_into
from paragrad.trace.record import Edges, make
from paragrad.trace.state import STATE
from paragrad.trace.values import freeze
from paragrad.trace.variable import Variable, wrap

if TYPE_CHECKING:
    from paragrad.modules.generator import Generator


class Conversation:
    """One conversation in progress.

    Args:
        asker: whose instruction, model and output type it is.
        shown: the values of its first request.
        edges: the Variables these values came from; more are added as the conversation goes on.

    Attributes:
        last: the last reply, as people write it down. ``failure``: why it could not be read.
    """

    def __init__(self, asker: Generator[Any], shown: Shown, edges: Edges, tools: Toolset) -> None:
        self.asker = asker
        self.edges = edges
        self.tools = tools
        self.inputs: Mapping[str, Any] = MappingProxyType({key: freeze(value) for key, value in shown.inputs.items()})
        self.declared = tools.declared(edges)
        self.messages = messages_for(shown, asker.output, asker.template)
        self.started = 0.0
        self.last = ""
        self.failure: Failure | None = None

    def ask(self, *, offer: bool = True) -> Response:
        """The model's next reply; ``offer``: it may call tools.

        Raises:
            ModelError: it gave none.
        """
        tools = self.declared if offer else ()
        schema = None if tools else self.asker.output.schema()  # many servers refuse both together
        self.started = time.time()
        response: Response = self.asker._ask(Request(list(self.messages), tools=tools, schema=schema, **self.asker.request))
        self.last, self.failure = said_by(response), None
        return response

    def act(self, response: Response, environment: Any = None) -> list[Done]:
        """Carry out the calls of a reply, in order; the model sees what came of each."""
        reply = self._recorded(self.last, response)
        self._add(_assistant(response), reply)
        found = []
        for call in response.tool_calls:
            done = self.tools.run(call, reply, environment)
            self._add({"role": "tool", "tool_call_id": call.id, "content": words_of(done.result._n.value)}, done.result)
            found.append(done)
        return found

    def read(self, response: Response) -> tuple[Any, Failure | None]:
        """The value of a reply, or why it is none."""
        return self.asker._parsed(response.text)

    def refuse(self, response: Response, failure: Failure) -> None:
        """Tell the model what was wrong with its reply."""
        reply = self._recorded(failure, response, failure)
        self._add({"role": "assistant", "content": words_of(response.text)}, reply)
        self.messages.append({"role": "user", "content": failure.message})
        self.failure = failure

    def move(self, response: Response, value: Any) -> Variable[Any]:
        """A reply that goes to the environment, as a Variable."""
        reply = self._recorded(value, response)
        self._add({"role": "assistant", "content": words_of(response.text)}, reply)
        return reply

    def see(self, observation: Variable[Any]) -> None:
        """What the model sees next."""
        value = observation._n.value
        self._add(
            {"role": "user", "content": content_of({"observation": value}) if isinstance(value, Media) else words_of(value)}, observation
        )

    def answer(self, response: Response) -> Variable[Any]:
        """The last reply as the component's output.

        Raises:
            ExecutionError: it could not be read as the output type; ``.output`` says why.
        """
        value, failure = self.read(response)
        return self.end(value if failure is None else failure, response, failure)

    def end(self, value: Any, response: Response, failure: Failure | None = None) -> Variable[Any]:
        """The component's output.

        Raises:
            ExecutionError: it is a failure.
        """
        out = self.asker._record(value, self.edges, self._call(response, failure))
        if failure is not None:
            raise ExecutionError(f"{self.asker.component}: {failure.message}", out)
        return out

    def _recorded(self, value: Any, response: Response, failure: Failure | None = None) -> Variable[Any]:
        """A reply on the way, as a record of its own."""
        note_peers(parameters_into(self.edges.nodes))
        node = make(STATE.get(), freeze(value), self.asker._op, self.edges.nodes, self.edges.paths)
        extra_of(node).call = self._call(response, failure)
        return wrap(node)

    def _call(self, response: Response, failure: Failure | None) -> Call:
        return Call(
            input_args=self.inputs,
            raw_response=response.text,
            error=failure,
            usage=response.usage,
            started=self.started,
            ended=time.time(),
            views=Views(critic=said_by(response) if response.tool_calls else response.text),
            component=self.asker.component,
        )

    def _add(self, message: dict[str, Any], source: Variable[Any]) -> None:
        self.edges.add(("messages", len(self.messages)), source._n)
        self.messages.append(message)


def one_round(asker: Generator[Any], shown: Shown, edges: Edges, tools: Toolset) -> Variable[Any]:
    """A question that may be answered after one round of tool calls.

    Raises:
        ExecutionError: the answer could not be read as the output type.
        ModelError: the model gave no answer.
    """
    talk = Conversation(asker, shown, edges, tools)
    response = talk.ask()
    if response.tool_calls:
        talk.act(response)
        response = talk.ask(offer=False)
    return talk.answer(response)


def said_by(response: Response) -> str:
    """A reply as people write it down: its text, then its calls."""
    return "\n".join(part for part in (response.text, *map(_written, response.tool_calls)) if part)


def _written(call: ToolCall) -> str:
    arguments = ", ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in call.arguments.items())
    return f"{call.name}({arguments})"


def _assistant(response: Response) -> dict[str, Any]:
    """A reply with calls, in the words of the protocol."""
    calls = [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.name, "arguments": json.dumps(dict(call.arguments), ensure_ascii=False)},
        }
        for call in response.tool_calls
    ]
    return {"role": "assistant", "content": response.text or None, "tool_calls": calls}
