"""Running a program on many rows at once."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from paragrad.data import Dataset, rows
from paragrad.errors import ExecutionError, UsageError
from paragrad.executors import Threads, run_coroutine
from paragrad.modules.inputs import input_kinds, input_names
from paragrad.protocols.data import Row
from paragrad.trace.escapes import Watch, label_of, watch
from paragrad.trace.failure import PASSING, failure_of
from paragrad.trace.module import plain
from paragrad.trace.nodes import Const
from paragrad.trace.record import make
from paragrad.trace.state import STATE, within
from paragrad.trace.tracing import READ
from paragrad.trace.variable import Variable, wrap

WORKERS = 16


def map_rows(program: Any, given: Iterable[Any], *, workers: int | None, record: bool) -> list[Any]:
    """Outputs in the order of the rows.

    A row is a Row, a mapping of inputs, a tuple of arguments, or the single argument; a Dataset or a data
    frame is bound to the program's inputs, other columns left out. A program that fails on a row gives its
    error output (recorded) or its ExecutionError (plain).

    Args:
        workers: rows at once; None: 16. Results and their order do not depend on it.

    Raises:
        Outage: the world failed on some row; nothing is hidden as an output.
        UsageError: ``workers`` is no number of rows.
    """
    if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int) or workers < 1):
        raise UsageError(f"workers={workers!r}: write how many rows may run at once, 1 or more, or None")
    one = _recorded if record else _plain
    with Threads(workers or WORKERS) as threads:
        return [outcome.get() for _, outcome in threads.map(lambda row: one(program, row), _bound(program, given))]


def arguments(row: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """A row as positional and named arguments."""
    if isinstance(row, Row):
        return (), dict(row.inputs)
    if isinstance(row, Mapping):
        return (), dict(row)
    return (tuple(row), {}) if isinstance(row, tuple) else ((row,), {})


def _bound(program: Any, given: Any) -> Iterable[Any]:
    """Tables bound to the program's inputs; anything else as it is."""
    table = isinstance(given, Dataset) or hasattr(given, "to_dicts") or hasattr(given, "to_pylist")
    if not table and not (hasattr(given, "to_dict") and hasattr(given, "columns")):
        return given  # type: ignore[no-any-return]
    names, optional = input_names(program)
    convert = {name: kind.read for name, kind in input_kinds(program).items()}
    found = rows(given)
    return found.bind(names, optional=optional, convert=convert) if names else found


def _recorded(program: Any, row: Any) -> Any:
    """The output with its graph; a failure is a Variable whose value says what went wrong."""
    with watch() as seen:
        try:
            return _called(program, row)
        except PASSING:
            raise
        except ExecutionError as error:
            return error.output if isinstance(error.output, Variable) else _failed(error, seen)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - any failure of the user's program is an output
            return _failed(error, seen)


def _plain(program: Any, row: Any) -> Any:
    """The plain output, or the ExecutionError."""
    with within(record=False, reads=None):
        try:
            return plain(_called(program, row))
        except PASSING:
            raise
        except ExecutionError as error:
            return error
        except (Exception, SystemExit) as error:  # noqa: BLE001 - any failure of the user's program is an output
            failure = failure_of(error)
            return ExecutionError(f"the program failed: {failure}", wrap(Const(failure)))


def _called(program: Any, row: Any) -> Any:
    args, kwargs = arguments(row)
    out = program(*args, **kwargs)
    return run_coroutine(_awaited(out)) if inspect.isawaitable(out) else out


async def _awaited(awaitable: Any) -> Any:
    return await awaitable


def _failed(error: BaseException, seen: Watch) -> Variable[Any]:
    """The failure as an output that depends on what the program had read."""
    nodes = list(dict.fromkeys(escape.node for escape in seen.escapes))
    failure = failure_of(error)
    if not nodes:
        return wrap(Const(failure))
    return wrap(make(STATE.get(), failure, READ, nodes, [f"read:{label_of(node)}" for node in nodes]))
