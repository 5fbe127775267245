"""Framed records: what a manifest is made of. A record is whole or it did not happen.

magic (4)  length of the payload (8)  CRC-32 of both (4)  SHA-256 of the payload (32)  payload
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Sequence

from paragrad.errors import Corrupted

_MAGIC = b"PGR1"
_FRONT = struct.Struct(">4sQ")
_HEAD = struct.Struct(">4sQI32s")

Part = bytes | memoryview

Record = tuple[bytes, str]
"""A payload and its digest in hex."""


def frame(payload: bytes) -> bytes:
    """A record of ``payload``."""
    front = _FRONT.pack(_MAGIC, len(payload))
    return front + struct.pack(">I", zlib.crc32(front)) + hashlib.sha256(payload).digest() + payload


def digest_of(framed: bytes) -> str:
    """The digest of a record that ``frame`` made."""
    return framed[16:48].hex()


def scan(data: bytes, place: str, start: int = 0) -> tuple[list[Record], int]:
    """The whole records at the front of ``data``, and how many bytes they take. What a dead writer left at the end is no record.

    Args:
        data: bytes from ``start`` to the end of the file ``place``.

    Raises:
        Corrupted: a record was changed; the message names the file and the byte.
    """
    found: list[Record] = []
    at = 0
    while len(data) - at >= _HEAD.size:
        magic, size, crc, digest = _HEAD.unpack_from(data, at)
        if magic != _MAGIC or zlib.crc32(data[at : at + _FRONT.size]) != crc:
            if not any(data[at:]):  # room that was never filled
                break
            raise _damaged(place, start + at)
        end = at + _HEAD.size + size
        if end > len(data):
            break
        payload = data[at + _HEAD.size : end]
        if hashlib.sha256(payload).digest() != digest:
            raise _damaged(place, start + at)
        found.append((payload, digest.hex()))
        at = end
    return found, at


def whole(data: bytes, place: str) -> Record:
    """The one record that a file holds.

    Raises:
        Corrupted: it was changed or cut.
    """
    found, used = scan(data, place)
    if len(found) != 1 or used != len(data):
        raise _damaged(place, 0)
    return found[0]


def digest(parts: Sequence[Part]) -> str:
    """SHA-256 of the parts in hex."""
    made = hashlib.sha256()
    for part in parts:
        made.update(part)
    return made.hexdigest()


def _damaged(place: str, at: int) -> Corrupted:
    return Corrupted(f"{place} is damaged at byte {at}: a record does not match its digest; restore the directory from a backup")
