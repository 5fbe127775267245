"""Rows from Python: lists of dicts, pairs, data frames, Hugging Face data sets; found by how they behave."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from paragrad.data.content import near, short
from paragrad.data.dataset import TARGET, Dataset, Mapped, Record
from paragrad.errors import DataError
from paragrad.protocols.data import Row

FORMS = "give a list of dicts, of (input, target) pairs, of Rows, a DataFrame or a Hugging Face Dataset"
INPUT = "input"

Names = str | Sequence[str] | None


def rows(items: Any, *, input: Names = None, target: str | None = None, id: str | None = None) -> Dataset:
    """A :class:`Dataset` from rows in memory.

    Dicts and data frames: keys are columns; ``target`` defaults to the column "target" when there is one,
    ``input`` to every other column. Pairs: (input, target); an input that is a dict gives named inputs.
    A Dataset is returned as it is.

    Raises:
        DataError: no rows, rows of different or unknown form, a column that is not there, equal ids.
    """
    if isinstance(items, Dataset):
        return items
    if isinstance(items, str | bytes) or hasattr(items, "__fspath__"):
        raise DataError(f"{short(items)} is a path, not rows; read it first with pg.data.read({short(items)})")
    found = _listed(items)
    if not found:
        raise DataError(f"there are no rows; {FORMS}")
    first = found[0]
    if isinstance(first, Row):
        return _from_rows(found)
    if isinstance(first, Mapping):
        return mapped(_dicts(found), input=input, target=target, id=id)
    return _pairs(found)


def mapped(
    records: Sequence[Record], *, input: Names, target: str | None, id: str | None, source: str = "the data", folder: Path | None = None
) -> Dataset:
    """A Dataset whose columns were named by the user, or are guessed as :func:`rows` says."""
    inputs = (input,) if isinstance(input, str) else None if input is None else tuple(input)
    if inputs is not None and (len(set(inputs)) < len(inputs) or not inputs):
        raise DataError(f"input={list(inputs)}: name one or more columns, each once")
    if target is None and TARGET not in (inputs or ()) and any(TARGET in record.columns for record in records):
        target = TARGET
    if target is not None and target in (inputs or ()):
        raise DataError(f"column {target!r} is given as input and as target; a program must not see its target")
    data = Dataset(records, Mapped(inputs, target, id, folder=folder), source)
    named = [name for name in (*(inputs or ()), target) if name is not None]
    for index, record in enumerate(records):
        for name in named:
            if name not in record.columns:
                raise DataError(f"{source}: {data.where(index)} has no {name!r}; {near(name, record.columns)}")
    return data


def _listed(items: Any) -> list[Any]:
    """The rows as a list; data frames by their own conversion, with NaN (their word for missing) as None."""
    if hasattr(items, "to_dicts"):  # polars
        return list(items.to_dicts())
    if hasattr(items, "to_pylist"):  # pyarrow
        return list(items.to_pylist())
    if hasattr(items, "to_dict") and hasattr(items, "columns"):  # pandas
        return [{name: _missing(value) for name, value in row.items()} for row in items.to_dict("records")]
    if isinstance(items, Mapping):
        raise DataError(f"a dict with the keys {short(list(items))} is not rows; choose one of its parts, or {FORMS}")
    if not isinstance(items, Iterable) and hasattr(items, "__getitem__") and hasattr(items, "__len__"):  # a torch-like data set
        return [items[place] for place in range(len(items))]
    if not isinstance(items, Iterable):
        raise DataError(f"{short(items)} holds no rows; {FORMS}")
    return list(items)


def _missing(value: Any) -> Any:
    return None if isinstance(value, float) and value != value else value


def _dicts(items: Sequence[Any]) -> list[Record]:
    records = []
    for number, item in enumerate(items, 1):
        if not isinstance(item, Mapping):
            raise DataError(f"row {number} is {short(item)}, the rows before it are dicts; {FORMS}")
        for name in item:
            if not isinstance(name, str):
                raise DataError(f"row {number} has the key {short(name)}; column names are strings")
        records.append(Record(dict(item), f"row {number}"))
    return records


def _pairs(items: Sequence[Any]) -> Dataset:
    named = isinstance(items[0], tuple | list) and len(items[0]) == 2 and isinstance(items[0][0], Mapping)
    records = []
    for number, item in enumerate(items, 1):
        if not isinstance(item, tuple | list) or len(item) != 2 or isinstance(item[0], Mapping) != named:
            raise DataError(f"row {number} is {short(item)}; {FORMS}")
        given, target = item
        if named and TARGET in given:
            raise DataError(f"row {number} has an input called {TARGET!r} beside its target; rename it")
        records.append(Record({**(given if named else {INPUT: given}), TARGET: target}, f"row {number}"))
    return Dataset(records, Mapped(target=TARGET, single=None if named else INPUT))


def _from_rows(items: Sequence[Any]) -> Dataset:
    records, ids = [], []
    names: dict[str, None] = {}
    for number, item in enumerate(items, 1):
        if not isinstance(item, Row):
            raise DataError(f"row {number} is {short(item)}, the rows before it are Rows; {FORMS}")
        names.update(dict.fromkeys(item.inputs))
        records.append({**item.meta, **item.inputs})
        ids.append(item.id)
    if len(set(ids)) < len(ids):
        twice = next(id for place, id in enumerate(ids) if id in ids[:place])
        raise DataError(f"two rows have the id {short(twice)}; ids must be unique")
    target = TARGET
    while any(target in record for record in records):
        target += "_"
    known = any(item.target is not None for item in items)
    full = [Record({**r, target: item.target} if known else r, f"row {item.id}") for r, item in zip(records, items, strict=True)]
    return Dataset(full, Mapped(tuple(names), target if known else None), ids=ids)
