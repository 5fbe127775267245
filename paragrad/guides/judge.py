"""Judge: a prompt, a program or a rubric in words, asked what another program's output is worth."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Literal

from paragrad.context import current_scope, scope
from paragrad.errors import ExecutionError, MetricError, UsageError
from paragrad.executors import run_coroutine
from paragrad.guides.binding import bind_metric, metric_digest
from paragrad.guides.guide import AutoGuide, as_feedback
from paragrad.guides.judge_inputs import OUTPUT, TARGET, bound_inputs
from paragrad.guides.verdicts import Scale, reading_of
from paragrad.llm import as_model, use
from paragrad.modules.generator import Generator
from paragrad.modules.inputs import input_names
from paragrad.modules.reasking import reasking
from paragrad.protocols.data import Row
from paragrad.protocols.gradient import Feedback
from paragrad.trace.failure import failure_of
from paragrad.trace.module import Module, Wrapped, module_of, plain
from paragrad.trace.overlay import Overlay
from paragrad.trace.state import STATE, within

ATTEMPTS = 3


@dataclass(frozen=True)
class Verdict:
    """The reason first, then the score."""

    reason: str
    score: Literal[1, 2, 3, 4, 5]


class Judge(AutoGuide):
    """A model's verdict as a metric.

    While it judges, its Parameters are constants and nothing is recorded, so feedback never trains the judge; its
    calls count under the phase "guide". To train a judge, fit it like any program.

    Its inputs are found by name: those of the row; ``output``, ``response`` or ``answer`` is what is judged (as is
    the one input that is left over); ``target`` or ``reference`` is the row's target; ``input`` or ``query`` is all
    the row's inputs; then other columns. A judge that names no inputs is given everything.

    Args:
        judge: a prompt, Module or function; or a criterion in words ("Is every claim in the passages?").
        read: the judge's answer to what a metric returns. Default: by its output type, see
            :func:`paragrad.guides.verdicts.reading_of`.
        scale: lowest and highest verdict of a number whose type does not tell.
        model: who judges, when the judge has no model of its own; None: the one in use.
        attempts: how often the judge is asked, with its error, before an answer that cannot be read is a MetricError.

    Raises:
        UsageError: no judge, or one whose answers say nothing about good and bad and no ``read``.
    """

    def __init__(
        self,
        judge: Any,
        read: Callable[..., Any] | None = None,
        *,
        scale: Scale | None = None,
        model: Any = None,
        attempts: int = ATTEMPTS,
    ) -> None:
        self.program = _program(judge)
        self.read = read
        self.attempts = attempts
        self.model = as_model(model) if model is not None else None
        self.inputs, self.optional = input_names(self.program)
        self.__name__ = _name(judge, self.program)
        self._reading = _by_hand(read) if read is not None else _by_type(self.program, scale)
        self._scale = scale
        self._who = "the judge" if self.__name__ == "judge" else f"the judge {self.__name__}"

    def get_feedback(self, query: Any, response: Any, reference: Any = None) -> Feedback:
        """The verdict on a response; ``query`` is a mapping of inputs, or the value of the judge's first other input."""
        if not isinstance(query, Mapping):
            query = {next((name for name in self.inputs if name not in OUTPUT + TARGET), "input"): query}
        return self.judge(Row("", dict(query), reference), response)

    def judge(self, row: Row, output: Any) -> Feedback:
        """The verdict on a row's output.

        Raises:
            MetricError: the judge's answer could not be read, or is outside its own scale; names the row.
            UsageError: an input of the judge that the row does not have.
            Outage: its model gave no answer.
        """
        who = self._who + (f" on row {row.id!r}" if row.id else "")
        given = bound_inputs(self._who, self.inputs, self.optional, row, output)
        try:
            answer = self._asked(given)
        except ExecutionError as error:
            raise MetricError(f"{who} gave no verdict: {failure_of(error).message}") from None
        try:
            return as_feedback(self._reading(answer, row), who)
        except ValueError as error:
            raise MetricError(f"{who}: {error}") from error

    def as_metric(self) -> Asked:
        """The judge as the function that is bound as a metric."""
        return Asked(self)

    def _asked(self, given: Mapping[str, Any]) -> Any:
        """The judge's plain answer, with frozen Parameters and without a graph."""
        outer = current_scope()
        with ExitStack() as stack:
            if outer is not None and outer.at.phase != "guide":
                stack.enter_context(scope(outer.child("guide")))
            if self.model is not None:
                stack.enter_context(use(self.model))
            frozen = Overlay(STATE.get().overlay, trainable=False, label="judge")
            stack.enter_context(within(overlay=frozen, record=False, steps=None, reads=None))
            stack.enter_context(reasking(self.attempts))
            out = self.program(**given)
            return plain(run_coroutine(_awaited(out)) if inspect.isawaitable(out) else out)


class Asked:
    """A judge bound as a metric. Its attributes are what the digest of a run's metric is made of."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self.__name__ = judge.__name__
        self.calls = _calls(judge.program)
        self.about = {
            "name": judge.__name__,
            "inputs": list(judge.inputs),
            "program": _source(judge.program),
            "values": {path: _shown(parameter) for path, parameter in judge.program.named_parameters().items()},
            "read": metric_digest(judge.read) if judge.read is not None else None,
            "scale": list(judge._scale) if judge._scale is not None else None,
            "model": getattr(judge.model, "identity", None),
        }

    def __call__(self, row: Row, output: Any) -> Feedback:
        """The verdict."""
        return self.judge.judge(row, output)

    def check(self, row: Row) -> None:
        """Whether a row has what the judge asks for; costs nothing.

        Raises:
            UsageError: it does not.
        """
        bound_inputs(self.judge._who, self.judge.inputs, self.judge.optional, row, "")


def _program(judge: Any) -> Module:
    if not isinstance(judge, str):
        return module_of(judge)
    if not judge.strip():
        raise UsageError("the judge's criterion is empty; say what a good output is")
    template = (files("paragrad.guides") / "prompts" / "judge.md").read_text("utf-8").strip()
    return Generator(judge.strip(), output=Verdict, template=template, name="judge")


def _answers(program: Module) -> Any:
    """The declared output type of a program, None when it has none."""
    if isinstance(program, Generator):
        return program.output.type
    function: Any = program.fn if isinstance(program, Wrapped) else program.forward
    try:
        return typing.get_type_hints(getattr(function, "fn", function), include_extras=True).get("return")
    except (NameError, TypeError, AttributeError):
        return None


def _by_hand(read: Callable[..., Any]) -> Callable[[Any, Row], Any]:
    """``read`` of the judge's answer alone, or bound by name as a metric is."""
    needed = [
        p for p in inspect.signature(read).parameters.values() if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    if len(needed) == 1 and needed[0].kind is not inspect.Parameter.KEYWORD_ONLY:
        return lambda answer, row: read(answer)
    bound = bind_metric(read)
    return lambda answer, row: bound(row, answer)


def _by_type(program: Module, scale: Scale | None) -> Callable[[Any, Row], Any]:
    reading = reading_of(_answers(program), scale)
    return lambda answer, row: reading(answer)


def _name(judge: Any, program: Module) -> str:
    if isinstance(judge, str):
        return "judge"
    return str(getattr(judge, "__name__", None) or type(program).__name__)


def _calls(program: Any) -> int:
    """How many parts of a judge ask a model."""
    count, stack, seen = 0, [program], set()
    while stack:
        part = stack.pop()
        if id(part) not in seen:
            seen.add(id(part))
            count += isinstance(part, Generator)
            stack.extend(vars(part).values() if isinstance(part, Module) else part if isinstance(part, (list, tuple)) else ())
    return count


def _source(program: Module) -> str:
    """A digest of the judge's code; of a Generator, what it is made of is told by its other parts."""
    if isinstance(program, Generator):
        return f"{program.output.schema() or program.output.type}|{program.template}|{sorted(program.request.items(), key=str)}"
    return metric_digest(program.fn if isinstance(program, Wrapped) else type(program).forward)


def _shown(parameter: Any) -> str:
    space = parameter.space
    return "" if space is None else str(space.show(parameter.value))


async def _awaited(awaitable: Any) -> Any:
    return await awaitable
