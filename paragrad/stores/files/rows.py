"""Versions as bytes: a header with its own digest in the index, then the value. Arrays go in and out without a copy.

The header says what the value's digest is, so walking through a history reads no values.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from paragrad.errors import Corrupted
from paragrad.protocols.space import Space
from paragrad.stores.backend import Row
from paragrad.stores.files.records import digest
from paragrad.stores.files.versions import Ref, ref_of
from paragrad.stores.sealing import canonical

_DTYPE = re.compile(r"|[<|][biuf][1248]")
ALIGN = 16
"""Values start at a multiple of this in the bytes that are read."""


class Packed(NamedTuple):
    """A value as it is written. ``dtype`` is an array's; empty for what the space encoded."""

    dtype: str
    content: bytes | memoryview


def packed(space: Space[Any], value: Any) -> Packed:
    """A value ready to be written; an array's own memory where that is possible."""
    if space.kind != "tensor" or not value.size:
        return Packed("", space.encode(value))
    little = value.astype(value.dtype.newbyteorder("<"), copy=False)
    return Packed(little.dtype.str, memoryview(little).cast("B"))


def unpacked(space: Space[Any], row: Row) -> Any:
    """The value; an array is a read-only view of the bytes that were read."""
    dtype, content = row.data
    if not dtype:
        return space.decode(bytes(content))
    import numpy

    array = numpy.frombuffer(content, dtype).reshape(row.shape)
    array.flags.writeable = False
    return array


def header_of(row: Row, below: Sequence[Ref], content_digest: str) -> bytes:
    """A row's header, padded so that the value behind it is aligned; its length does not depend on the digest."""
    header = {
        "id": row.id,
        "version": row.version,
        "ordinal": row.ordinal,
        "time": row.time,
        "note": row.note,
        "spec": row.spec,
        "shape": row.shape,
        "dtype": row.data.dtype,
        "size": len(row.data.content),
        "digest": content_digest,
        "below": below,
    }
    text = canonical(header).encode()
    return text + b" " * (-len(text) % ALIGN)


class Header(NamedTuple):
    """A verified header: the row without its value, where the value is and its digest, and what is below."""

    row: Row
    dtype: str
    size: int
    digest: str
    below: tuple[Ref, ...]


def read_header(id: str, ref: Ref, data: bytes, place: str) -> Header:
    """The header of version ``ref``.

    Raises:
        Corrupted: the bytes were changed or cut.
    """
    if len(data) != ref.size or digest([data]) != ref.digest:
        raise damaged(place, ref.offset, id, ref.version)
    try:
        found = json.loads(data)
        below = tuple(ref_of(each) for each in found["below"])
        row = Row(id, found["version"], found["ordinal"], found["time"], found["note"], found["spec"], None, tuple(found["shape"]))
        if len(below) not in (0, 2) or not _DTYPE.fullmatch(found["dtype"]) or type(found["size"]) is not int:
            raise ValueError("a header with other fields")
        return Header(row, found["dtype"], found["size"], found["digest"], below)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise damaged(place, ref.offset, id, ref.version) from error


def with_value(header: Header, content: bytes | memoryview, ref: Ref, place: str) -> Row:
    """The row with its value.

    Raises:
        Corrupted: the value was changed or cut.
    """
    row = header.row
    if len(content) != header.size or digest([content]) != header.digest:
        raise damaged(place, ref.offset, row.id, row.version)
    return Row(row.id, row.version, row.ordinal, row.time, row.note, row.spec, Packed(header.dtype, content), row.shape)


def damaged(place: str, offset: int, what: str, version: int) -> Corrupted:
    """The error of bytes that are not what was written."""
    named = f"version {version} of {what!r:.120}" if version else f"{what!r:.120}"
    return Corrupted(f"{place} is damaged near byte {offset}: {named} does not match its digest; restore this file from a backup")
