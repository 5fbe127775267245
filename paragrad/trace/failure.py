"""Failures as values: an exception becomes the output of the operation that raised it."""

from __future__ import annotations

import linecache
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from paragrad.errors import BudgetExceeded, Diverged, ExecutionError, JournalError, LostContext, MetricError, Outage, StoreError

PASSING = (Outage, LostContext, BudgetExceeded, Diverged, JournalError, MetricError, StoreError, ConnectionError, TimeoutError)
"""Errors of the world or of the run: never a program's output."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong, as data: no traceback is kept.

    Attributes:
        type: the exception's class name. ``message``: its text.
        report: the failing function's source with the failing line marked.
    """

    type: str
    message: str
    report: str

    def __str__(self) -> str:
        return f"({self.type}) {self.message}\n{self.report}" if self.report else f"({self.type}) {self.message}"


def failure_of(error: BaseException) -> Failure:
    """The failure an exception means; its traceback is dropped."""
    if isinstance(error, ExecutionError) and isinstance(getattr(error.output, "_n", None), object) and error.output is not None:
        inner = error.output._n.value
        if isinstance(inner, Failure):
            return inner
    failure = Failure(type(error).__name__, str(error), annotated_source(error.__traceback__, f"({type(error).__name__}) {error}"))
    error.__traceback__ = None
    return failure


def annotated_source(traceback: TracebackType | None, note: str) -> str:
    """The source of the innermost user function, its failing line marked with the error."""
    frames = []
    while traceback is not None:
        frames.append((traceback.tb_frame.f_code, traceback.tb_lineno))
        traceback = traceback.tb_next
    inside = __file__.rpartition("/trace/")[0]  # of this library no frame is shown
    own = [(code, line) for code, line in frames if not code.co_filename.startswith(inside)]
    if not own:
        return ""
    code, line = own[-1]
    lines = _function_lines(code)
    if not lines:
        return f"{code.co_name}, line {line} <--- {note}"
    return "\n".join(f"{text.rstrip()}  <--- {note}" if number == line else text.rstrip() for number, text in lines)


def _function_lines(code: Any) -> list[tuple[int, str]]:
    """(number, text) of a function's lines, as far as its source can be found; at most 60."""
    numbers = [line for _, _, line in code.co_lines() if line]
    first, last = code.co_firstlineno, max(numbers, default=code.co_firstlineno)
    found = [(n, linecache.getline(code.co_filename, n)) for n in range(first, min(last, first + 60) + 1)]
    return [pair for pair in found if pair[1]]
