"""Binding: any function as a metric, its parameters filled by name and its failures told apart."""

from __future__ import annotations

import hashlib
import inspect
import json
import textwrap
from collections.abc import Callable, Mapping
from types import CodeType
from typing import Any

from paragrad.errors import BudgetExceeded, Diverged, JournalError, LostContext, MetricError, Outage, UsageError
from paragrad.executors import run_coroutine
from paragrad.guides.guide import as_feedback
from paragrad.protocols.data import Row
from paragrad.protocols.gradient import Feedback
from paragrad.registry import metrics
from paragrad.trace.module import Module

ROLES: Mapping[str, str] = {
    "call": "call",
    "input": "input",
    "output": "output",
    "query": "input",
    "reference": "target",
    "response": "output",
    "row": "row",
    "target": "target",
    "trace": "trace",
}
ALLOWED = "output (or response), target (or reference), input (or query), row, trace, call"

_PASSED_ON = (BudgetExceeded, Diverged, JournalError, LostContext, MetricError, Outage)


class BoundMetric:
    """A metric with its parameters bound by name; made by :func:`bind_metric`.

    Attributes:
        name: what messages and records call it.
        uses: which of "output", "target", "input", "row", "trace", "call" it asks for.
        needs: those of them that have no default.
    """

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self.function = function
        self.name = name
        self._positional, self._keywords, self.needs = _bind(function, name)
        self.uses = frozenset([*self._positional, *self._keywords.values()])

    @property
    def calls(self) -> int:
        """Model calls it makes per row, as far as it tells."""
        return int(getattr(self.function, "calls", 0))

    def check(self, row: Row) -> None:
        """Whether it can judge such a row, where that shows before a call is paid for.

        Raises:
            UsageError: it cannot.
        """
        check = getattr(self.function, "check", None)
        if callable(check):
            check(row)

    @property
    def digest(self) -> str:
        """sha256 of what it does; see :func:`metric_digest`."""
        return metric_digest(self.function)

    def __call__(self, row: Row, output: Any, *, trace: Any = None, call: Any = None) -> Feedback:
        """Feedback on ``output`` for ``row``; the score is finite.

        ``input`` is the value of a row with one input, else the mapping of all of them.

        Raises:
            MetricError: the metric raised, or returned no score; the message names the row.
            Outage: the world failed (ConnectionError and TimeoutError too): no score.
            BudgetExceeded, Diverged, JournalError, LostContext: as they came.
        """
        given = row.inputs
        have = {
            "output": output,
            "target": row.target,
            "input": next(iter(given.values())) if len(given) == 1 else given,
            "row": row,
            "trace": trace,
            "call": call,
        }
        who = f"the metric {self.name} on row {row.id!r}"
        try:
            keywords = {name: have[role] for name, role in self._keywords.items()}
            answer = self.function(*(have[role] for role in self._positional), **keywords)
            if inspect.iscoroutine(answer):
                answer = run_coroutine(answer)
        except _PASSED_ON:
            raise
        except (ConnectionError, TimeoutError) as error:
            raise Outage(f"{who} could not reach what it needs: {type(error).__name__}: {error}") from error
        except Exception as error:
            raise MetricError(f"{who} raised {type(error).__name__}: {error}") from error
        return as_feedback(answer, who)

    def __repr__(self) -> str:
        return f"BoundMetric({self.name}: {', '.join(sorted(self.uses))})"


def bind_metric(metric: Any) -> BoundMetric:
    """Bind a metric before its first call.

    Args:
        metric: a function (also async), an object with ``get_feedback`` or ``__call__``, a program that judges, the
            name of a registered one ("exact_match"), or a list or {name: metric} of several. Parameters are bound by name among output (response), target
            (reference), input (query), row, trace, call; others need a default.

    Raises:
        UsageError: a parameter of another name, or no metric at all.
        UnknownName: no metric of that name.
    """
    if isinstance(metric, BoundMetric):
        return metric
    if isinstance(metric, str):
        found = metrics.get(metric)
        return BoundMetric(_function(found() if isinstance(found, type) else found), metric)
    metric = _made(metric)
    function = _function(metric)
    return BoundMetric(function, str(getattr(metric, "__name__", type(metric).__name__)))


def metric_digest(metric: Any) -> str:
    """sha256 of a metric's source and of the plain values that it closes over; the same in every process.

    Functions that it calls are not followed.
    """
    bound = getattr(metric, "__self__", None)
    function = inspect.unwrap(getattr(metric, "__func__", metric))
    owner = bound if bound is not None else (function if not inspect.isfunction(function) else None)
    parts: list[Any] = []
    if owner is not None and not inspect.ismodule(owner):
        parts += [_source(type(owner)), _plain(getattr(owner, "__dict__", {}))]
    if inspect.isfunction(function):
        cells = [cell.cell_contents for cell in function.__closure__ or () if _filled(cell)]
        parts += [_source(function), _plain(function.__defaults__ or ()), _plain(function.__kwdefaults__ or {}), _plain(cells)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _made(metric: Any) -> Any:
    """What is bound in place of several metrics, of a program that judges, and of objects with ``as_metric()``."""
    if isinstance(metric, (list, tuple, Mapping)):
        from paragrad.guides.several import combine

        return combine(metric)
    if isinstance(metric, Module):
        from paragrad.guides.judge import Judge

        metric = Judge(metric)
    made = None if isinstance(metric, type) else getattr(metric, "as_metric", None)
    return made() if callable(made) else metric


def _function(metric: Any) -> Callable[..., Any]:
    if not isinstance(metric, type) and callable(getattr(metric, "get_feedback", None)):
        return metric.get_feedback  # type: ignore[no-any-return]
    if isinstance(metric, type) or not callable(metric):
        hint = f"; give an instance, {metric.__name__}()" if isinstance(metric, type) else ""
        forms = f"a function of {ALLOWED}, an AutoGuide, or a name: {', '.join(metrics.names())}"
        raise UsageError(f"{str(metric)[:80]} is no metric{hint}: {forms}")
    return metric  # type: ignore[no-any-return]


def _bind(function: Callable[..., Any], name: str) -> tuple[list[str], dict[str, str], frozenset[str]]:
    """Roles of the positional-only parameters in order, parameter name to role of the others, and the roles without a default."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError) as error:
        raise UsageError(f"the metric {name} does not tell its parameters; wrap it: lambda output, target: ...") from error
    positional: list[str] = []
    keywords: dict[str, str] = {}
    needs = set()
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        role = ROLES.get(parameter.name)
        if role is None and parameter.default is parameter.empty:
            raise UsageError(f"the metric {name} asks for {parameter.name!r}; parameters are bound by name among {ALLOWED}")
        if role is not None and parameter.default is parameter.empty:
            needs.add(role)
        if role is not None and parameter.kind is parameter.POSITIONAL_ONLY:
            positional.append(role)
        elif role is not None:
            keywords[parameter.name] = role
    if not positional and not keywords:
        raise UsageError(f"the metric {name} takes nothing it could judge; name parameters among {ALLOWED}")
    return positional, keywords, frozenset(needs)


def _source(part: Any) -> str:
    code = getattr(part, "__code__", None)
    compiled = f"{part.__qualname__}\n{_compiled(code) if code is not None else ''}"
    if part.__name__ == "<lambda>":  # its source is its line, which may hold another one
        return compiled
    try:
        return f"{part.__qualname__}\n{textwrap.dedent(inspect.getsource(part))}"
    except (OSError, TypeError):  # defined where no file is
        return compiled


def _compiled(code: CodeType) -> str:
    """What bytecode does, without line numbers, paths or the order of sets."""
    parts, left = [], [code]
    while left:
        one = left.pop()
        left += [constant for constant in one.co_consts if isinstance(constant, CodeType)]
        plain = [constant for constant in one.co_consts if not isinstance(constant, CodeType)]
        parts += [one.co_code, one.co_names, one.co_varnames, *(sorted(map(repr, c)) if isinstance(c, frozenset) else c for c in plain)]
    return repr(parts)


def _plain(value: Any) -> Any:
    """JSON of plain values; of others the kind only, because their text may differ between processes."""
    return json.loads(json.dumps(value, default=lambda part: f"<{type(part).__module__}.{type(part).__qualname__}>", skipkeys=True))


def _filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:  # an empty cell
        return False
