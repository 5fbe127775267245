"""Running a program on many rows at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from paragrad.errors import ExecutionError
from paragrad.executors import Threads
from paragrad.protocols.data import Row
from paragrad.trace.module import plain
from paragrad.trace.state import within


def map_rows(program: Any, rows: Iterable[Any], *, workers: int | None, record: bool) -> list[Any]:
    """Outputs in the order of ``rows``.

    A row is a Row, a mapping of inputs, a tuple of arguments, or the single argument. A program that
    fails on a row gives its error output (recorded) or the ExecutionError itself (plain).

    Raises:
        Outage: the world failed on some row; nothing is hidden as an output.
    """

    def run(row: Any) -> Any:
        args, kwargs = arguments(row)
        try:
            if record:
                return program(*args, **kwargs)
            with within(record=False, reads=None):
                return plain(program(*args, **kwargs))
        except ExecutionError as error:
            return error.output if record else error

    with Threads(workers or 16) as threads:
        return [outcome.get() for _, outcome in threads.map(run, rows)]


def arguments(row: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """A row as positional and named arguments."""
    if isinstance(row, Row):
        return (), dict(row.inputs)
    if isinstance(row, Mapping):
        return (), dict(row)
    return (tuple(row), {}) if isinstance(row, tuple) else ((row,), {})
