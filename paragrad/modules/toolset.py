"""Toolset: the tools of one agent, by the names that the model calls them by; and how a call of the model is carried out."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

from paragrad.errors import ExecutionError, UsageError
from paragrad.llm.types import ToolCall
from paragrad.modules.tools import Tool, tool_of
from paragrad.protocols.data import Step
from paragrad.protocols.environment import Environment
from paragrad.trace.bundle import BoundBundle
from paragrad.trace.call import Call
from paragrad.trace.failure import Failure
from paragrad.trace.nodes import extra_of
from paragrad.trace.operation import PASS, Operation
from paragrad.trace.record import Edges, make
from paragrad.trace.resources import Effects, declared
from paragrad.trace.state import STATE
from paragrad.trace.values import freeze
from paragrad.trace.variable import Variable, wrap


class Toolset(dict[str, Tool[..., Any]]):
    """Name to tool, in order.

    Attributes:
        bound: name to the object a tool is bound to.
        attributes: name to the attribute of the environment that holds the tool.
    """

    def __init__(self, tools: Sequence[Any] = ()) -> None:
        super().__init__()
        self.bound: dict[str, Any] = {}
        self.attributes: dict[str, str] = {}
        for given in tools:
            made, instance = tool_of(given)
            self._add(made)
            if instance is not None:
                self.bound[made.name] = instance

    @classmethod
    def of_environment(cls, environment: type[Any]) -> Toolset:
        """The tools that a class defines, its bases' first."""
        made = cls()
        names = dict.fromkeys(name for base in reversed(environment.__mro__) for name in vars(base))
        for name in names:
            found = getattr(environment, name, None)
            if isinstance(found, BoundBundle):
                found = found.bundle  # of a class method
            if isinstance(found, Tool):
                made._add(found)
                made.attributes[found.name] = name
        return made

    @property
    def effects(self) -> Effects | None:
        """What all of them declare; None when one of them declares nothing."""
        given = [tool.op.effects for tool in self.values()]
        return None if None in given else declared(given)

    def _add(self, tool: Tool[..., Any]) -> None:
        if tool.name in self:
            raise UsageError(f"two tools are called {tool.name!r}; give one another name: pg.tool(name=...)")
        tool.signature  # noqa: B018 - read now, so that a wrong type is named where the agent is made
        self[tool.name] = tool

    def declared(self, edges: Edges) -> tuple[dict[str, Any], ...]:
        """Every declaration with its current words."""
        return tuple(tool.declared(edges) for tool in self.values())

    def run(self, call: ToolCall, reply: Variable[Any], environment: Any) -> Done:
        """Carry out what the model asked for. Its mistakes, and exceptions of the tool, are results too.

        Raises:
            Outage, ConnectionError, TimeoutError and errors of the run, as the tool raised them.
        """
        tool = self.get(call.name)
        if tool is None:
            return refused(call, reply, "UnknownTool", self._unknown(call.name))
        try:
            arguments = tool.signature.checked(call.arguments)
        except ValueError as error:
            return refused(call, reply, "BadArguments", str(error))
        given = {name: _argument(name, value, reply) for name, value in arguments.items()}
        owner = self.bound.get(call.name)
        if call.name in self.attributes:
            tool, owner = tool_of(getattr(environment, self.attributes[call.name]))
        try:
            result = tool.observe(owner, given)
        except ExecutionError as error:
            result = error.output
        return Done(result, Step(call.name, freeze(arguments), result._n.value))

    def _unknown(self, name: str) -> str:
        near = difflib.get_close_matches(name, self, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        return f"no tool is called {name!r}; {hint}The tools are: {', '.join(self) or 'none'}"


class Done(NamedTuple):
    """A call that was carried out: what came of it, and the step it was."""

    result: Variable[Any]
    step: Step


def environment_class(tools: Any) -> type[Any] | None:
    """The Environment that people give as tools, itself or in a ``functools.partial``; None when it is none.

    Raises:
        UsageError: an instance, or a class that is no environment.
    """
    given = tools.func if isinstance(tools, partial) else tools
    if isinstance(given, (list, tuple)):
        return None
    if isinstance(given, type) and all(callable(getattr(given, name, None)) for name in ("reset", "score")):
        return given
    if isinstance(given, Environment):
        name = type(given).__name__
        raise UsageError(f"tools={name}(...) is one environment; give the class, tools={name}, of which every episode makes its own")
    raise UsageError(f"tools={given!r:.80} is neither a list of tools nor an Environment class with reset(row) and score(episode)")


def refused(call: ToolCall, reply: Variable[Any], type: str, message: str) -> Done:
    """A call that could not be made, as a result that says why."""
    state = STATE.get()
    failure = Failure(type, message, "")
    node = make(state, failure, REFUSED, [reply._n])
    arguments = MappingProxyType(dict(call.arguments))
    extra_of(node).call = Call(arguments, error=failure, component=call.name)
    step = Step(call.name, arguments, failure)
    if state.steps is not None:
        state.steps.append(step)
    return Done(wrap(node), step)


def _argument(name: str, value: Any, reply: Variable[Any]) -> Variable[Any]:
    """An argument that the model chose, as a value made from its reply."""
    node = make(STATE.get(), value, ARGUMENT, [reply._n])
    extra_of(node).name = name
    return wrap(node)


def _chosen(reply: Any) -> Any:
    return reply


ARGUMENT = Operation("argument", _chosen, ("reply",), kind="op", description="an argument that the model chose")
REFUSED = Operation("refused", _chosen, ("reply",), kind="op", description="a call of a tool that could not be made")
for _operation in (ARGUMENT, REFUSED):
    _operation.rules["text"] = PASS
