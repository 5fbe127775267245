"""CSV text to records: delimiter, ragged rows, and columns whose text says that they are numbers."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from paragrad.data.content import near, short
from paragrad.data.dataset import Record
from paragrad.errors import DataError

DELIMITERS = ",;\t|"
LARGEST_FIELD = 1 << 26

_LIMIT = Lock()
_INTEGER = re.compile(r"0|-?[1-9]\d{0,17}")
_DECIMAL = re.compile(r"-?(?:0|[1-9]\d{0,14})\.(\d{1,15})")
_TRUTH = {"true": True, "false": False}


def parse_table(text: str, file: Path, delimiter: str | None, types: Mapping[str, type]) -> list[Record]:
    """Records of a CSV text with a header line; see :func:`paragrad.data.read` for types and errors."""
    with _long_fields():
        lines = list(_rows(text, delimiter or _sniff(text), file))
    if not lines:
        raise DataError(f"{file} is empty")
    (_, header), body = lines[0], lines[1:]
    names = _header([name.strip() for name in header], file)
    for number, fields in body:
        if len(fields) != len(names):
            counts = f"{len(fields)} fields where the header has {len(names)}"
            raise DataError(f"{file}, line {number}: {counts}: {short(fields)}; quote fields that hold a delimiter")
    for name in types:
        if name not in names:
            raise DataError(f"{file} has no column {name!r} (given in types); {near(name, names)}")
    columns = []
    for place, name in enumerate(names):
        columns.append(_typed(name, [(number, fields[place]) for number, fields in body], types.get(name), file))
    return [
        Record(dict(zip(names, values, strict=True)), f"{file.name}, line {number}")
        for (number, _), values in zip(body, zip(*columns, strict=True), strict=True)
    ]


@contextmanager
def _long_fields() -> Iterator[None]:
    """The csv module's limit on a field is one number per process: raise it, then put it back."""
    with _LIMIT:
        before = csv.field_size_limit(LARGEST_FIELD)
        try:
            yield
        finally:
            csv.field_size_limit(before)


def _rows(text: str, delimiter: str, file: Path) -> Iterator[tuple[int, list[str]]]:
    """(line on which it begins, fields) of every row that is not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    begin = 1
    try:
        for fields in reader:
            if any(field.strip() for field in fields):
                yield begin, fields
            begin = reader.line_num + 1
    except csv.Error as error:
        lines = text.splitlines()
        raise DataError(f"{file}, line {begin} is not CSV ({error}): {short(lines[min(begin, len(lines)) - 1])}") from error


def _sniff(text: str) -> str:
    """The delimiter that splits the first rows into the same number of fields, and into most of them."""
    best, most = ",", 1
    for delimiter in DELIMITERS:
        widths = set()
        try:
            for place, fields in enumerate(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)):
                if any(fields):
                    widths.add(len(fields))
                if place >= 20 or len(widths) > 1:
                    break
        except csv.Error:
            continue
        if len(widths) == 1 and max(widths) > most:
            best, most = delimiter, max(widths)
    if most > 1:
        return best
    header = text.split("\n", 1)[0]
    return max(DELIMITERS, key=header.count)  # ragged everywhere: let the error speak of the likeliest


def _header(names: list[str], file: Path) -> list[str]:
    for place, name in enumerate(names):
        if not name:
            raise DataError(f"{file}: column {place + 1} of {len(names)} has no name in the header {short(names)}")
        if name in names[:place]:
            raise DataError(f"{file}: two columns are called {name!r}; rename one")
    return names


def _typed(name: str, fields: list[tuple[int, str]], wanted: type | None, file: Path) -> list[Any]:
    """One column's values."""
    if wanted is None:
        convert = _found([text for _, text in fields if text.strip()])
    elif wanted in _CONVERT:
        convert = _CONVERT[wanted]
    else:
        raise DataError(f"types={{{name!r}: {wanted!r}}}: choose str, int, float or bool")
    if convert is str:
        return [text for _, text in fields]
    values: list[Any] = []
    for number, text in fields:
        try:
            values.append(convert(text.strip()) if text.strip() else None)
        except (KeyError, ValueError) as error:
            kind = wanted.__name__ if wanted else "value"
            raise DataError(f"{file}, line {number}: column {name!r} holds {short(text)}, which is no {kind}") from error
    return values


def _truth(text: str) -> bool:
    return _TRUTH[text.lower()]


_CONVERT: dict[type, Callable[[str], Any]] = {bool: _truth, float: float, int: int, str: str}


def _found(texts: list[str]) -> Callable[[str], Any]:
    """The conversion that loses nothing: every number is written as Python, or with equal decimals, would write it."""
    stripped = [text.strip() for text in texts]
    if not stripped:
        return str
    if all(text.lower() in _TRUTH for text in stripped):
        return _truth
    if all(_INTEGER.fullmatch(text) for text in stripped):
        return int
    decimals = [_DECIMAL.fullmatch(text) for text in stripped]
    if any(decimals) and all(found or _INTEGER.fullmatch(text) for found, text in zip(decimals, stripped, strict=True)):
        fixed = all(decimals) and len({len(found[1]) for found in decimals if found}) == 1
        exact = all(found is None or repr(float(text)) == text for found, text in zip(decimals, stripped, strict=True))
        if (fixed or exact) and all(math.isfinite(float(text)) for text in stripped):
            return float
    return str
