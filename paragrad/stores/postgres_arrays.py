"""Lists as PostgreSQL takes arrays in its binary format. psycopg writes them too, but looks at the type of every element."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

_BYTEA, _INT8, _TEXT = 17, 20, 25
_FRONT = struct.Struct(">iiIii")
_SIZE = struct.Struct(">i")


class Blobs(bytes):
    """A ``bytea[]``."""


class Numbers(bytes):
    """A ``bigint[]``."""


class Texts(bytes):
    """A ``text[]``."""


_ARRAYS = {Blobs: 1001, Numbers: 1016, Texts: 1009}
"""The numbers of these types, the same on every server."""


def blobs(values: Sequence[bytes]) -> Blobs:
    """A ``bytea[]``."""
    return Blobs(_joined(_BYTEA, values))


def numbers(values: Sequence[int]) -> Numbers:
    """A ``bigint[]``."""
    return Numbers(_joined(_INT8, [value.to_bytes(8, "big", signed=True) for value in values]))


def texts(values: Sequence[str]) -> Texts:
    """A ``text[]`` of ASCII, which is the same in every encoding of a client."""
    return Texts(_joined(_TEXT, [value.encode("ascii") for value in values]))


def register(connection: Any) -> None:
    """Let a connection send these as they are."""
    from psycopg.adapt import Dumper
    from psycopg.pq import Format

    def dumped(self: Any, made: bytes) -> bytes:
        return made

    for kind, oid in _ARRAYS.items():
        connection.adapters.register_dumper(
            kind, type(f"{kind.__name__}Dumper", (Dumper,), {"format": Format.BINARY, "oid": oid, "dump": dumped})
        )


def _joined(element: int, values: Sequence[bytes]) -> bytes:
    if not values:
        return struct.pack(">iiI", 0, 0, element)
    parts = [_FRONT.pack(1, 0, element, len(values), 1)]
    for value in values:
        parts += (_SIZE.pack(len(value)), value)
    return b"".join(parts)
