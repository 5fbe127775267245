"""Generator: one call of a language model, with a trainable instruction and trainable demos."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, TypeVar, cast, overload

from paragrad import registry
from paragrad.errors import ExecutionError, ModelError, UsageError
from paragrad.llm import Request, as_model, current_model, model_in_use
from paragrad.modules.conversation import one_round
from paragrad.modules.inputs import kinds_among
from paragrad.modules.messages import Shown, messages_for
from paragrad.modules.outputs import Output
from paragrad.modules.reasking import answered
from paragrad.modules.streaming import asked
from paragrad.modules.structured import typed
from paragrad.modules.template import names_in
from paragrad.modules.toolset import Toolset
from paragrad.protocols.data import Step
from paragrad.trace.call import Call, Views
from paragrad.trace.failure import Failure
from paragrad.trace.module import Module
from paragrad.trace.nodes import extra_of
from paragrad.trace.operation import Operation
from paragrad.trace.parameter import Parameter
from paragrad.trace.peers import note_peers, parameters_into
from paragrad.trace.record import Edges, make
from paragrad.trace.state import STATE
from paragrad.trace.values import freeze
from paragrad.trace.variable import Variable, wrap

REQUEST_FIELDS = frozenset(f.name for f in fields(Request)) - {"messages", "tools", "schema", "extra"}


R_co = TypeVar("R_co", covariant=True)


class Generator(Module, Generic[R_co]):
    """Asks a model and checks its answer.

    Args:
        instruction: a str is a trainable Parameter; for a fixed text pass ``pg.Variable("...")``; a Path is read.
        output: the type of the answer: str, a Literal, an Enum, int, float, bool, a dataclass or a pydantic model.
        inputs: names of the inputs, in order, or {name: type} where some are media or a chat history
            (``{"photo": pg.Image, "question": str}``); None: whatever the call passes.
        demos: how many worked examples may be trained, or a Demos Parameter; 0: none.
        model: a name or model; None: the one in use, else the one that ``fit`` was given.
        template: text of the system message with ``{instruction}`` and any inputs; inputs it names are not repeated.
        tools: functions the model may call, in one round before it answers; for more rounds there is Agent.
        name: a prefix for the ids of its Parameters.
        **request: temperature, max_tokens, stop, seed, ... for every request.

    Raises:
        UsageError: an output type that cannot be checked, or a template without ``{instruction}``.
    """

    instruction: Any
    demos: Any
    fallback: Any = None  # the model of the last fit: asked where this part has none and none is in use
    _whole = True
    _takes_ordinal = True

    @overload
    def __init__(
        self,
        instruction: Any,
        *,
        output: type[R_co],
        inputs: Sequence[str] | Mapping[str, Any] | None = None,
        demos: Any = 0,
        **options: Any,
    ) -> None: ...
    @overload
    def __init__(
        self, instruction: Any, *, output: Any, inputs: Sequence[str] | Mapping[str, Any] | None = None, demos: Any = 0, **options: Any
    ) -> None: ...
    @overload
    def __init__(
        self: Generator[str], instruction: Any, *, inputs: Sequence[str] | Mapping[str, Any] | None = None, demos: Any = 0, **options: Any
    ) -> None: ...
    def __init__(
        self,
        instruction: Any,
        *,
        output: Any = str,
        inputs: Sequence[str] | Mapping[str, Any] | None = None,
        demos: Any = 0,
        model: Any = None,
        template: str | Path | None = None,
        tools: Sequence[Any] = (),
        name: str | None = None,
        trainable: bool = True,
        **request: Any,
    ) -> None:
        self.instruction = _instruction(instruction, trainable, name)
        self.demos = _demos(demos, trainable, name)
        self.output = Output(output)
        self.inputs = tuple(inputs) if inputs is not None else None
        self.kinds = kinds_among(inputs) if isinstance(inputs, Mapping) else {}
        self.model = model
        self.template = template.read_text(encoding="utf-8") if isinstance(template, Path) else template
        self.request = _known(request)
        if self.template is not None and "instruction" not in names_in(self.template):
            raise UsageError(f"the template {self.template[:60]!r} has no {{instruction}}, so the trained text would not be used; add it")
        self.tools = Toolset(tools)

    def forward(self, *args: Any, **kwargs: Any) -> R_co:
        """Ask the model. Inputs by name, or in the order of ``inputs``.

        Returns:
            A Variable with the checked answer; ``.call`` has input_args, raw_response, usage, error.

        Raises:
            ExecutionError: the answer could not be read as the output type; ``.output`` says why.
            ModelError: the model gave no answer.
        """
        inputs = self._inputs(args, kwargs)
        if self.kinds:
            inputs = {key: self.kinds[key].of(value) if key in self.kinds else value for key, value in inputs.items()}
        edges = Edges()
        shown = Shown(
            instruction=edges.plain(self.instruction, "instruction"),
            demos=edges.plain(self.demos, "demos") if self.demos is not None else (),
            inputs={key: edges.plain(value, key) for key, value in inputs.items()},
        )
        if self.tools:
            return cast(R_co, one_round(self, shown, edges, self.tools))
        request = Request(messages_for(shown, self.output, self.template), schema=self.output.schema(), **self.request)
        started = time.time()
        response, value, failure = answered(request, self._ask, self._parsed)
        call = Call(
            input_args=MappingProxyType({key: freeze(v) for key, v in shown.inputs.items()}),
            raw_response=response.text,
            error=failure,
            usage=response.usage,
            started=started,
            ended=time.time(),
            views=Views(critic=response.text),
            component=self.component,
        )
        out = self._record(failure if failure is not None else value, edges, call)
        if failure is not None:
            raise ExecutionError(f"{self.component}: {failure.message}", out)
        return cast(R_co, out)

    @property
    def component(self) -> str:
        """Its place in the program: "answer" for ``program.answer``; its name or class otherwise."""
        own = [part for part in (self.instruction, self.demos) if isinstance(part, Parameter)]
        place = next((str(p._meta.path).rpartition(".")[0] for p in own if p._meta.path and "." in p._meta.path), "")
        return place or next((p.id.rpartition(".")[0] for p in own if "." in p.id), "generator")

    @property
    def effects(self) -> Any:
        """Those of its tools: none without tools, None when one of them declares none."""
        return self.tools.effects

    @cached_property
    def _plain_result(self) -> bool:  # type: ignore[override]
        return self.output.schema() is None

    def sources(self) -> list[Any]:
        """The code that its behaviour depends on besides its Parameters, or texts that name it: its tools."""
        return [tool.fn for tool in self.tools.values()]

    def _inputs(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        if len(args) > len(self.inputs or ()):
            raise TypeError(f"{self.component} got {len(args)} positional inputs; name them, or declare inputs=[...]")
        inputs = {**dict(zip(self.inputs or (), args, strict=False)), **kwargs}
        missing = [name for name in self.inputs or () if name not in inputs]
        unknown = [name for name in inputs if self.inputs is not None and name not in self.inputs]
        if missing or unknown:
            what = f"is missing {', '.join(missing)}" if missing else f"does not know {', '.join(unknown)}"
            raise TypeError(f"{self.component} {what}; its inputs are {', '.join(self.inputs or ())}")
        return inputs

    def _ask(self, request: Request) -> Any:
        model = self._own_model if self.model is not None else model_in_use() or self.fallback or current_model()
        answer = asked(self, model, request)
        if isinstance(answer, ModelError):
            raise answer
        return answer

    @cached_property
    def _own_model(self) -> Any:
        return as_model(self.model)

    def _parsed(self, text: str) -> tuple[Any, Failure | None]:
        try:
            return self.output.parse(text), None
        except ValueError as error:
            return None, Failure("BadAnswer", str(error), f"the model answered: {text[:500]}")

    def _record(self, value: Any, edges: Edges, call: Call) -> Variable[Any]:
        state = STATE.get()
        if state.steps is not None:
            state.steps.append(Step(call.component, call.input_args, call.raw_response if self.output.type is str else value))
        note_peers(parameters_into(edges.nodes))
        node = make(state, freeze(value), self._op, edges.nodes, edges.paths)
        extra_of(node).call = call
        return typed(wrap(node))

    @cached_property
    def _op(self) -> Operation:
        return Operation(self.component, self.forward, kind="model", description="a language model's answer")


def _instruction(given: Any, trainable: bool, name: str | None) -> Any:
    if isinstance(given, Path):
        given = given.read_text(encoding="utf-8")
    if isinstance(given, Variable):
        return given
    if not isinstance(given, str):
        raise UsageError(f"an instruction is a str, a Parameter, a Variable or a Path, not {given!r}")
    return Parameter(given, "the instruction of a language model", trainable, name=f"{name}.instruction" if name else None)


def _demos(given: Any, trainable: bool, name: str | None) -> Any:
    if isinstance(given, Parameter):
        return given
    if isinstance(given, int) and not isinstance(given, bool) and given >= 0:
        if given == 0:
            return None
        space = registry.spaces.get("demos")(max_shots=given)
        return Parameter(None, "worked examples shown to a language model", trainable, name=f"{name}.demos" if name else None, space=space)
    raise UsageError(f"demos is a number of shots or a Parameter of Demos, not {given!r}")


def _known(request: Mapping[str, Any]) -> dict[str, Any]:
    """Request options: the fields of Request, the rest as ``extra``."""
    own = {key: value for key, value in request.items() if key in REQUEST_FIELDS}
    extra = {key: value for key, value in request.items() if key not in REQUEST_FIELDS}
    return {**own, **({"extra": extra} if extra else {})}
