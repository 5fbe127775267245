"""What a user hands to ``fit``, made into programs, rows and models; every mistake is named before a call is paid for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from paragrad.data import Dataset, read
from paragrad.errors import DataError, UsageError
from paragrad.guides.binding import BoundMetric, bind_metric
from paragrad.llm import as_model, connect, model_in_use
from paragrad.modules import Generator
from paragrad.modules.bound import Bound
from paragrad.runs.sameness import content_key
from paragrad.trace.module import Module, Wrapped, module_of
from paragrad.trainers.intake import bound_rows

SHARES = (0.5, 0.25, 0.25)


def program_of(program: Any) -> Module:
    """The program as a Module; a plain function brings the Parameters it can read."""
    found = module_of(program)
    if isinstance(found, Wrapped) and not found.named_parameters():
        from paragrad.runs.discovery import parameters_read_by

        found.read = parameters_read_by(found.fn)
    return found


def dataset_of(data: Any, program: Module) -> Dataset:
    """Rows bound to the program's inputs: from a path, a Dataset, or rows."""
    return bound_rows(read(data) if isinstance(data, (str, Path)) else data, program)


def parts(program: Module, train: Any, validate: Any, test: Any, *, seed: int) -> tuple[Dataset, Dataset | None, Dataset | None]:
    """Training, validation and held-out rows. A single argument is split 50/25/25, equal inputs on one side.

    Raises:
        DataError: parts share rows.
    """
    first = dataset_of(train, program)
    if validate is None and test is None:
        if len(first) < 8:
            raise DataError(
                f"{len(first)} rows are too few to split into training, validation and held-out rows; give validate= (and test=), or more rows"
            )
        a, b, c = first.split(*SHARES, seed=seed)
        return a, b, c
    second = dataset_of(validate, program) if validate is not None else None
    third = dataset_of(test, program) if test is not None else None
    _refuse_shared([("train", first), ("validate", second), ("test", third)])
    return first, second, third


def _refuse_shared(given: Sequence[tuple[str, Dataset | None]]) -> None:
    seen: dict[str, tuple[str, str]] = {}
    for name, part in given:
        for row in part or ():
            key = content_key(row)
            other = seen.setdefault(key, (name, row.id))
            if other[0] != name:
                raise DataError(
                    f"row {row.id!r} of {name} has the same inputs as row {other[1]!r} of {other[0]}, so the score would be flattered; "
                    "split one data set with .split(...), which keeps equal inputs on one side"
                )


def metric_of(metric: Any, data: Dataset) -> BoundMetric:
    """The metric, bound by name.

    Raises:
        UsageError: it needs a target, or inputs of a judge, that the rows do not have.
    """
    bound = bind_metric(metric)
    if "target" in bound.needs and all(row.target is None for row in data):
        columns = ", ".join(data.columns)
        raise UsageError(
            f"the metric {bound.name} needs a target, but the rows have none; say which column it is: target=... (columns: {columns})"
        )
    bound.check(data[0])
    return bound


def model_of(program: Module, model: Any) -> Any:
    """The model that answers: as named, else the one in use, else that of the last ``fit``, else found by ``auto``.

    Raises:
        NotConnected: none is named and none is found.
    """
    if model is not None:
        return as_model(model)
    asking = list(_without_model(program)) if model_in_use() is None else []
    if not asking:
        return model_in_use()
    known = next((part.fallback for part in asking if part.fallback is not None), None)
    return known if known is not None else connect("auto")


def remember_model(program: Module, model: Any) -> None:
    """What the program was trained with answers it from now on, where it has no model and none is in use."""
    if model is not None and model is not model_in_use():
        for part in _without_model(program):
            part.fallback = model


def _without_model(program: Module) -> Iterator[Generator[Any]]:
    """The parts that ask a model and have none of their own."""
    stack: list[Any] = [program]
    seen: set[int] = set()
    while stack:
        part = stack.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, Generator):
            if part.model is None:
                yield part
            continue
        if isinstance(part, Bound) and part.model is not None:
            continue
        inside = (
            vars(part).values()
            if isinstance(part, Module)
            else part
            if isinstance(part, (list, tuple))
            else part.values()
            if isinstance(part, dict)
            else ()
        )
        stack.extend(inside)
