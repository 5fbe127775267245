"""Dataset: an immutable sequence of Rows over named columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, overload

from paragrad.data import content, describing, splitting
from paragrad.errors import DataError
from paragrad.protocols.data import Row

TARGET = "target"


@dataclass(frozen=True, slots=True)
class Record:
    """One row as it was read: every column, and where it stands ("tickets.csv, line 3")."""

    columns: Mapping[str, Any]
    where: str = ""


@dataclass(frozen=True, slots=True)
class Mapped:
    """Which columns are what. ``inputs`` None: every column but target and id.

    ``single``: the name under which a pair's first half is kept; it may be renamed by position.
    ``folder``: where the file lies that was read; paths in its cells are relative to it.
    """

    inputs: tuple[str, ...] | None = None
    target: str | None = None
    id: str | None = None
    rename: Mapping[str, str] | None = None
    single: str | None = None
    folder: Path | None = None


Convert = Callable[[Any, Path | None], Any]


class Dataset(Sequence[Row]):
    """Rows that nothing changes: a Row that is handed out holds copies of its lists and dicts.

    Made by :func:`paragrad.data.read` and :func:`paragrad.data.rows`; the constructor is theirs.

    Args:
        records: at least one.
        mapped: which columns are inputs, target and id.
        source: what messages call it.
        ids: the rows' ids; None takes them from the id column, or numbers from 1.

    Raises:
        DataError: no rows, a column that is not there, or two rows of one id.
    """

    def __init__(self, records: Sequence[Record], mapped: Mapped, source: str = "the data", ids: Sequence[str] | None = None) -> None:
        if not records:
            raise DataError(f"{source} holds no rows")
        self._records = tuple(records)
        self._mapped = mapped
        self.source = source
        self._check_columns()
        self._ids = tuple(ids) if ids is not None else self._read_ids()

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Every column, in order of first appearance."""
        return tuple(dict.fromkeys(name for record in self._records for name in record.columns))

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names under which a row's inputs are handed out."""
        mapped = self._mapped
        names = (
            mapped.inputs if mapped.inputs is not None else tuple(name for name in self.columns if name not in (mapped.target, mapped.id))
        )
        return tuple((mapped.rename or {}).get(name, name) for name in names)

    @property
    def ids(self) -> tuple[str, ...]:
        """The rows' ids, in order."""
        return self._ids

    @property
    def target(self) -> str | None:
        """The column of the wanted outputs, or None."""
        return self._mapped.target

    def bind(
        self,
        inputs: Sequence[str],
        target: str | None = None,
        *,
        optional: Iterable[str] = (),
        convert: Mapping[str, Convert] | None = None,
    ) -> Dataset:
        """The same rows for a program with these parameters; every other column goes to ``meta``.

        Args:
            inputs: parameter names. Of pairs, a single parameter takes the first half whatever its name;
                several take its parts in order when it is a tuple or list.
            target: another target column; None keeps the one there is.
            optional: parameters with a default, left out where there is no such column.
            convert: parameter to ``(cell, folder of the data file) -> value``, for inputs that no file holds as
                they are (a picture by its path). Done once, now.

        Raises:
            DataError: a parameter that is no column, with the columns and the nearest names; a cell that cannot
                be converted, with its place.
        """
        mapped, records = self._mapped, self._records
        wanted = [name for name in inputs if name in self.columns or name not in set(optional)]
        if mapped.single is not None and not set(wanted) <= set(self.columns):
            records, mapped, wanted = self._by_position(list(inputs), wanted)
        for name in wanted:
            if not any(name in record.columns for record in records):
                raise DataError(f"the program's parameter {name!r} is not a column of {self.source}; {content.near(name, self.columns)}")
        mapped = replace(mapped, inputs=tuple(wanted), target=target or mapped.target)
        bound = Dataset(records, mapped, self.source, self._ids)
        bound._check_complete(set(optional))
        return bound._converted(convert) if convert else bound

    def digest(self) -> str:
        """sha256 of every row: id, inputs, target, meta, in order."""
        return content.digest([[row.id, row.inputs, row.target, row.meta] for row in self])

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Per row the digest of its inputs: rows with equal keys ask the same."""
        return tuple(content.digest(self[index].inputs) for index in range(len(self)))

    def shared(self, other: Dataset) -> list[tuple[str, str]]:
        """Ids of rows whose inputs also stand in ``other``, paired with the ids there."""
        there = {key: row.id for key, row in zip(reversed(other.keys), reversed(other), strict=True)}
        return [(row.id, there[key]) for key, row in zip(self.keys, self, strict=True) if key in there]

    def split(self, *shares: float, seed: int = 0, stratify: str | None = None, group: str | None = None) -> tuple[Dataset, ...]:
        """Parts of these shares, seeded; see :func:`paragrad.data.splitting.split`."""
        return splitting.split(self, shares, seed=seed, stratify=stratify, group=group)

    def describe(self) -> str:
        """What is in it, and what looks wrong, for a person; see :func:`paragrad.data.describing.describe`."""
        return describing.describe(self)

    def column(self, name: str) -> list[Any]:
        """One column's values; "target" also names the target. None where a row lacks it.

        Raises:
            DataError: no such column.
        """
        if name not in self.columns and name == TARGET and self._mapped.target is not None:
            name = self._mapped.target
        if name not in self.columns:
            raise DataError(f"{self.source} has no column {name!r}; {content.near(name, self.columns)}")
        return [record.columns.get(name) for record in self._records]

    def where(self, index: int) -> str:
        """Where a row stands in its source, for messages."""
        return self._records[index].where or f"row {self._ids[index]}"

    def take(self, indices: Iterable[int]) -> Dataset:
        """The rows at these places, in this order."""
        chosen = list(indices)
        return Dataset([self._records[i] for i in chosen], self._mapped, self.source, [self._ids[i] for i in chosen])

    def __len__(self) -> int:
        return len(self._records)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Dataset: ...
    def __getitem__(self, index: int | slice) -> Row | Dataset:
        if isinstance(index, slice):
            return self.take(range(*index.indices(len(self))))
        return self._row(index)

    def __iter__(self) -> Iterator[Row]:
        return (self._row(index) for index in range(len(self)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Dataset) and self.digest() == other.digest()

    def __hash__(self) -> int:
        return hash(self.digest())

    def __repr__(self) -> str:
        return f"Dataset({len(self)} rows of {self.source}: {', '.join(self.inputs)} → {self._mapped.target})"

    def _row(self, index: int) -> Row:
        columns, mapped = self._records[index].columns, self._mapped
        rename = mapped.rename or {}
        names = [n for n in columns if n not in (mapped.target, mapped.id)] if mapped.inputs is None else mapped.inputs
        inputs = {rename.get(name, name): _copy(columns[name]) for name in names if name in columns}
        used = {*names, mapped.target, mapped.id}
        meta = {name: _copy(value) for name, value in columns.items() if name not in used}
        target = None if mapped.target is None else _copy(columns.get(mapped.target))
        return Row(self._ids[index], inputs, target, meta)

    def _converted(self, convert: Mapping[str, Convert]) -> Dataset:
        """The same rows with some inputs made into what the program takes."""
        rename = self._mapped.rename or {}
        made = {column: convert[name] for column in self._mapped.inputs or () if (name := rename.get(column, column)) in convert}
        if not made:
            return self
        records = [replace(record, columns={**record.columns, **self._cells(index, made)}) for index, record in enumerate(self._records)]
        return Dataset(records, self._mapped, self.source, self._ids)

    def _cells(self, index: int, convert: Mapping[str, Convert]) -> dict[str, Any]:
        columns, made = self._records[index].columns, {}
        for name, function in convert.items():
            if columns.get(name) is not None:
                try:
                    made[name] = function(columns[name], self._mapped.folder)
                except (TypeError, ValueError) as error:
                    raise DataError(f"{self.source}: {self.where(index)}, column {name!r}: {error}") from error
        return made

    def _check_columns(self) -> None:
        mapped = self._mapped
        for what, names in (("input", mapped.inputs or ()), ("target", (mapped.target,)), ("id", (mapped.id,))):
            for name in names:
                if name is not None and name not in self.columns:
                    raise DataError(f"{self.source} has no column {name!r} (given as {what}); {content.near(name, self.columns)}")

    def _check_complete(self, optional: set[str]) -> None:
        """Every row has every input column that is not optional, and the target."""
        needed = [name for name in (*(self._mapped.inputs or ()), self._mapped.target) if name is not None and name not in optional]
        for index, record in enumerate(self._records):
            for name in needed:
                if name not in record.columns:
                    raise DataError(f"{self.source}: {self.where(index)} has no {name!r}; {content.near(name, record.columns)}")

    def _read_ids(self) -> tuple[str, ...]:
        column = self._mapped.id
        if column is None:
            return tuple(str(number) for number in range(1, len(self._records) + 1))
        seen: dict[str, int] = {}
        for index, record in enumerate(self._records):
            id = str(record.columns.get(column, ""))
            if not id or record.columns.get(column) is None:
                raise DataError(f"{self.source}: {self.where(index)} has no id in column {column!r}")
            if id in seen:
                both = f"{self.where(seen[id])} and {self.where(index)}"
                raise DataError(f"{self.source}: {both} have the same id {content.short(id)}; ids must be unique")
            seen[id] = index
        return tuple(seen)

    def _by_position(self, inputs: list[str], wanted: list[str]) -> tuple[tuple[Record, ...], Mapped, list[str]]:
        """Pairs: give the first half, or its parts, the program's own names."""
        single = self._mapped.single
        assert single is not None
        if len(wanted) == 1 or len(inputs) == 1:
            return self._records, replace(self._mapped, rename={single: (wanted or inputs)[0]}), [single]
        records = []
        for index, record in enumerate(self._records):
            parts = record.columns[single]
            if not isinstance(parts, list | tuple) or not len(wanted) <= len(parts) <= len(inputs):
                found = f"{self.source}: {self.where(index)} is {content.short(parts)}"
                raise DataError(f"{found}, the program wants {', '.join(wanted)}; give a dict per row, or tuples")
            rest = {name: value for name, value in record.columns.items() if name != single}
            records.append(replace(record, columns={**dict(zip(inputs, parts, strict=False)), **rest}))
        return tuple(records), replace(self._mapped, single=None), wanted


def _copy(value: Any) -> Any:
    """A copy of nested lists and dicts; other values are shared."""
    if isinstance(value, dict):
        return {key: _copy(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_copy(part) for part in value]
    return value
