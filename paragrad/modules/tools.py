"""``@pg.tool``: a typed function that a model may call; what the model is told of it is trained."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import Any, Concatenate, ParamSpec, TypeVar, overload

from paragrad.errors import UsageError
from paragrad.executors import run_coroutine
from paragrad.modules.observing import plain_data
from paragrad.modules.signatures import Signature, docstring
from paragrad.spaces.text import Text
from paragrad.trace.bundle import BoundBundle, Bundle
from paragrad.trace.parameter import Parameter
from paragrad.trace.record import Edges
from paragrad.trace.tracing import Tracing, run
from paragrad.trace.variable import Variable

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")  # what every provider takes
LONGEST = 1024  # characters of a description that every provider takes


class Tool(Bundle[P, R]):
    """A function that a model may call; to the author it stays a traced function (a :class:`~paragrad.trace.bundle.Bundle`).

    Agents that are given the same tool share it, and its words with it.

    Attributes:
        name: what the model calls it.
        description: a Parameter: what the model is told of it; at first the docstring without its ``Args:``.
        arguments: argument to Parameter, for those that are described in the docstring or in their annotation.

    Raises:
        UsageError: no name that a model can call it by.
    """

    def __init__(self, fn: Callable[P, R], *, name: str | None = None, trainable: bool = True, effects: Any = None) -> None:
        super().__init__(fn, effects=effects)
        self.name = name or str(getattr(self.fn, "__name__", type(self.fn).__name__))
        if NAME.fullmatch(self.name) is None:
            raise UsageError(f"{self.name!r} is no name for a tool; give one of letters, digits, _ and -: pg.tool(name=...)")
        self.op.name = self.name
        self.trainable = trainable
        text, self._told = docstring(self.fn)
        text = text or self.name.replace("_", " ")
        self.description: Parameter[str] = self._words(text, "description", f"what the tool {self.name} does, told to a language model")
        self.arguments: dict[str, Parameter[str]] = {}
        self._owned = False

    def __set_name__(self, owner: type, name: str) -> None:
        self._owned = not isinstance(self.wrapped, staticmethod)

    @overload
    def __get__(self, instance: None, owner: Any = None) -> Tool[P, R]: ...
    @overload
    def __get__(self: Tool[Concatenate[S, Q], R], instance: S, owner: Any = None) -> Bundle[Q, R]: ...
    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return super().__get__(instance, owner)

    @cached_property
    def signature(self) -> Signature:
        """Its arguments; read when an agent first needs them, because a class's names are known late.

        Raises:
            UsageError: an argument without a type, with one that JSON cannot hold, or ``*args``.
        """
        hidden = next(iter(self.binder.names), None) if self._owned else None
        found = Signature(self.fn, self.name, hidden)
        for key, words in {**self._told, **found.told}.items():
            if key in found.hints and words:
                self.arguments[key] = self._words(words, f"arguments.{key}", f"what the argument {key} of the tool {self.name} means")
        return found

    def declared(self, edges: Edges) -> dict[str, Any]:
        """Its declaration with the current words, each noted as an edge."""
        path = ("tools", self.name)
        description = edges.plain(self.description, path)
        schema = self.signature.schema
        properties = {
            key: {**part, "description": edges.plain(self.arguments[key], (path, key))} if key in self.arguments else part
            for key, part in schema.get("properties", {}).items()
        }
        function = {"name": self.name, "description": description, "parameters": {**schema, "properties": properties}}
        return {"type": "function", "function": function}

    def observe(self, instance: Any, arguments: Mapping[str, Any]) -> Variable[Any]:
        """Call it for a model: traced, its result as plain data, which later changes of the world do not touch.

        Raises:
            ExecutionError: it raised; ``.output`` is the failure as a Variable.
        """
        return run(Tracing(self.op, self.binder, (), arguments, True, False, instance), self._plainly)

    def _plainly(self, *args: Any, **kwargs: Any) -> Any:
        result: Any = self.fn(*args, **kwargs)
        if inspect.isasyncgen(result):
            result = _listed(result)
        return plain_data(run_coroutine(result) if inspect.iscoroutine(result) else result)

    def named_parameters(self) -> dict[str, Parameter[Any]]:
        """Its descriptions."""
        described = {f"arguments.{key}": words for key, words in self.arguments.items()}
        return {**super().named_parameters(), "description": self.description, **described}

    def parameters(self, kind: str | None = None, name: str = "*") -> list[Parameter[Any]]:
        """Its descriptions, when texts are asked for."""
        return [p for p in self.named_parameters().values() if kind in (None, p.kind)]

    def _words(self, text: str, path: str, role: str) -> Parameter[str]:
        space = Text(max_length=max(LONGEST, len(text)))
        made: Parameter[str] = Parameter(text, role, self.trainable, space=space)
        made._meta.path = f"{self.name}.{path}"
        return made

    def __repr__(self) -> str:
        return f"<tool {self.name}>"


async def _listed(items: Any) -> list[Any]:
    return [item async for item in items]


def tool_of(given: Any) -> tuple[Tool[..., Any], Any]:
    """What people give as a tool, and the object it is bound to.

    Raises:
        UsageError: it cannot be called, or not by a model.
    """
    if isinstance(given, Tool):
        return given, None
    if isinstance(given, BoundBundle):
        if isinstance(given.bundle, Tool):
            return given.bundle, given.instance
        made: Tool[..., Any] = Tool(given.bundle.fn)
        made._owned = True
        return made, given.instance
    if not callable(given) or isinstance(given, type):
        raise UsageError(f"{given!r:.80} is no tool; give a typed function, or one with @pg.tool")
    return Tool(given), None


@overload
def tool(function: Callable[P, R], /) -> Tool[P, R]: ...
@overload
def tool(*, name: str | None = None, trainable: bool = True, effects: Any = None) -> Callable[[Callable[P, R]], Tool[P, R]]: ...
def tool(function: Any = None, /, **options: Any) -> Any:
    """Make a tool of a typed function or method: ``@pg.tool`` or ``@pg.tool(name="find")``.

    The docstring, and the words on its arguments in a Google ``Args:`` section or in ``Annotated``, are Parameters.

    Args:
        name: what the model calls it; default: the function's name.
        trainable: False for fixed words.
        effects: what it reads and writes, as for :func:`pg.bundle`; under ``pg.parallel`` it orders the agents that hold it.
    """
    return partial(Tool, **options) if function is None else Tool(function)
