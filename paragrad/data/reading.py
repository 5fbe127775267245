"""Files to rows: CSV, JSONL, JSON and Parquet, with errors that name file, line and remedy."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from paragrad.data.content import short
from paragrad.data.dataset import Dataset, Record
from paragrad.data.rows import Names, mapped
from paragrad.data.tables import parse_table
from paragrad.errors import DataError, not_installed


def read(
    path: str | Path, *, input: Names = None, target: str | None = None, id: str | None = None, types: Mapping[str, type] | None = None
) -> Dataset:
    """Read a data set.

    The format is told by the ending: .csv .tsv (delimiter found by itself), .jsonl .ndjson, .json (a list
    of objects), .parquet. Text is UTF-8, with or without a byte order mark, or UTF-16 with one.

    CSV knows only text. A column becomes int, float or bool when every value in it says so and nothing is
    lost: "007" and "3.10" beside "3.9" stay text; an empty field of such a column is None.

    Args:
        input: column or columns the program is given; None: every one that is not target or id, until
            :meth:`Dataset.bind` names the program's parameters.
        target: column of the wanted output; None: the column "target", if there is one.
        id: column of unique ids; None: rows are numbered from 1.
        types: CSV only, column to ``str``, ``int``, ``float`` or ``bool``, instead of what is found.

    Raises:
        DataError: a missing file, an unknown ending, a column that is not there, an unreadable or ragged
            row (with file and line), equal ids, no rows, a wrong encoding.
    """
    file = Path(path).expanduser()
    kind = file.suffix.lower()
    if kind not in _READERS:
        wait = "; tests as data wait for the sandbox, which is not in this version" if kind == ".py" else ""
        raise DataError(f"{file}: the ending {kind or '(none)'} is not known; use {', '.join(_READERS)}{wait}")
    if not file.is_file():
        raise DataError(_missing(file))
    if types and kind not in (".csv", ".tsv"):
        raise DataError(f"{file}: types= is for CSV; this format knows its own types")
    try:
        records = _READERS[kind](file, dict(types or {}))
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror or error}") from error
    if not records:
        raise DataError(f"{file} holds no rows")
    return mapped(records, input=input, target=target, id=id, source=file.name, folder=file.parent)


def decode(file: Path) -> str:
    """A text file's content.

    Raises:
        DataError: bytes that are not UTF-8 (or UTF-16 with a byte order mark), with their line.
    """
    data = file.read_bytes()
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = f"byte {data[error.start]:#04x}"
        raise DataError(f"{file}, line {line}: {byte} is not {encoding.removesuffix('-sig')}; save the file as UTF-8") from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(f"{file}, line {line}: a NUL character; this is not a text file")
    return text


def _table(file: Path, types: dict[str, type]) -> list[Record]:
    return parse_table(decode(file), file, "\t" if file.suffix.lower() == ".tsv" else None, types)


def _json_lines(file: Path, types: dict[str, type]) -> list[Record]:
    records = []
    for number, line in enumerate(decode(file).split("\n"), 1):
        if line.strip():
            records.append(_record(_parsed(line, f"{file}, line {number}"), f"{file.name}, line {number}", f"{file}, line {number}"))
    return records


def _json_list(file: Path, types: dict[str, type]) -> list[Record]:
    found = _parsed(decode(file), str(file))
    if not isinstance(found, list):
        raise DataError(f"{file} holds {_kind(found)}, not a list of objects; write [{{...}}, {{...}}], or one object per line as .jsonl")
    return [_record(item, f"{file.name}, row {number}", f"{file}, row {number}") for number, item in enumerate(found, 1)]


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where} is not JSON ({error}): {short(text.strip())}") from error


def _record(item: Any, where: str, full: str) -> Record:
    if not isinstance(item, dict):
        raise DataError(f"{full} is {_kind(item)}, not an object: {short(item)}")
    return Record(item, where)


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", type(None): "null", bool: "a boolean"}
    return names.get(type(value), "a number")


def _parquet(file: Path, types: dict[str, type]) -> list[Record]:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise not_installed(f"{file}: Parquet", "pyarrow", "parquet", DataError) from error
    try:
        found = parquet.read_table(file).to_pylist()
    except (pa.ArrowException, UnicodeDecodeError, OverflowError) as error:
        raise DataError(f"{file} is not a readable Parquet file: {short(str(error), 200)}") from error
    return [Record(item, f"{file.name}, row {number}") for number, item in enumerate(found, 1)]


def _missing(file: Path) -> str:
    if file.is_dir():
        return f"{file} is a folder; name a file in it"
    from difflib import get_close_matches

    others = [other.name for other in file.parent.iterdir()] if file.parent.is_dir() else []
    near = get_close_matches(file.name, others, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"looked in {file.parent.absolute()}"
    return f"there is no file {file}; {hint}"


_READERS: dict[str, Callable[[Path, dict[str, type]], list[Record]]] = {
    ".csv": _table,
    ".json": _json_list,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".parquet": _parquet,
    ".tsv": _table,
}
