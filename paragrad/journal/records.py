"""Rows of the journal: what one is, how it is written, and how a damaged one is noticed."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from paragrad.context import Coordinate
from paragrad.errors import JournalError, UsageError

SCHEMA = 1
COLUMNS = "seq, coordinate, kind, phase, request_sha256, payload, schema, crc"

_COORDINATE = re.compile(r"(-?\d+)/(-?\d+)/(-?\d+)/(-?\d+)/([^/]*)/((?:\d+(?:\.\d+)*)?)")


@dataclass(frozen=True, slots=True)
class Event:
    """One row. ``phase`` is "intent", "outcome", "failed" or "note"; ``payload`` is JSON-like."""

    seq: int
    coordinate: str
    kind: str
    phase: str
    request_sha256: str | None
    payload: Any
    schema: int = SCHEMA


Row = tuple[str, str, str, str | None, str, int, int]
"""The columns of an event after ``seq``, ready for SQL."""


def row(coordinate: str, kind: str, phase: str, request_sha256: str | None, payload: str) -> Row:
    """A row that is not yet numbered; ``payload`` is JSON text. A check sum over every column comes last: a flipped bit is noticed."""
    check = zlib.crc32("\0".join((coordinate, kind, phase, request_sha256 or "", payload)).encode())
    return coordinate, kind, phase, request_sha256, payload, SCHEMA, check


def encode(payload: Any, what: str) -> str:
    """JSON text of ``payload``.

    Raises:
        UsageError: it is not JSON-like; nothing was written.
    """
    try:
        text = _ENCODER.encode(payload)
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate: only the escaped form can be stored
        text = json.dumps(payload, separators=(",", ":"), default=_plain)
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"{what} cannot be recorded: {error}; use str, int, float, bool, None, list and dict") from error
    return text


def decode_row(found: tuple[Any, ...], path: str) -> Event:
    """An :class:`Event` from a row of ``COLUMNS``.

    Raises:
        JournalError: the row does not match its check sum, or was written by a newer release.
    """
    seq, coordinate, kind, phase, digest, payload, schema, check = found
    try:
        if schema > SCHEMA:
            raise JournalError(f"{path}: row {seq} has schema {schema}, this release reads up to {SCHEMA}; upgrade paragrad")
        if row(coordinate, kind, phase, digest, payload)[-1] != check:
            raise JournalError(f"{path}: row {seq} does not match its check sum; the file was damaged, restore it or start a new run")
        return Event(seq, coordinate, kind, phase, digest, json.loads(payload), schema)
    except (TypeError, ValueError, AttributeError) as error:
        raise JournalError(f"{path}: row {seq} is damaged ({error}); restore the file or start a new run") from error


def parse_coordinate(text: str) -> Coordinate:
    """The inverse of ``str(coordinate)``.

    Raises:
        ValueError: not a coordinate.
    """
    match = _COORDINATE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a coordinate (step/candidate/item/repeat/phase/ordinals)")
    step, candidate, item, repeat, phase, ordinals = match.groups()
    numbers = tuple(int(part) for part in ordinals.split(".")) if ordinals else ()
    return Coordinate(int(step), int(candidate), int(item), int(repeat), phase, numbers)


def shorten(value: Any, limit: int = 300) -> str:
    """A value as one line of at most ``limit`` characters, cut in the middle."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = " ".join(text.split())
    half = (limit - 3) // 2
    return text if len(text) <= limit else f"{text[:half]} … {text[-half:]}"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a value of type {type(value).__name__} is not JSON-like")


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_plain)
