"""Bytes that prove themselves: a digest in front of every stored payload, and a container for several blobs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from paragrad.errors import Corrupted

_DIGEST = 32
_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


def _digest(key: str, payload: bytes) -> bytes:
    digest = hashlib.sha256(key.encode() + b"\0")
    digest.update(payload)
    return digest.digest()


def seal(key: str, payload: bytes) -> bytes:
    """SHA-256 over key and payload, then the payload: bytes that moved to another key are refused too."""
    return _digest(key, payload) + payload


def unseal(key: str, stored: Any) -> bytes:
    """The payload.

    Raises:
        Corrupted: the bytes were changed, cut, or belong to another key.
    """
    if not isinstance(stored, bytes) or len(stored) < _DIGEST or _digest(key, stored[_DIGEST:]) != stored[:_DIGEST]:
        raise Corrupted(f"the stored bytes of {key!r} do not match their digest; restore the store from a backup")
    return stored[_DIGEST:]


def canonical(value: Any) -> str:
    """JSON with one spelling: sorted keys, no spaces."""
    return _canonical(value)


def pack(header: Mapping[str, Any], blobs: Sequence[bytes] = ()) -> bytes:
    """A JSON header and blobs in one piece."""
    front = canonical({"header": header, "sizes": [len(blob) for blob in blobs]}).encode()
    return b"".join([len(front).to_bytes(4, "big"), front, *blobs])


def unpack(data: bytes) -> tuple[dict[str, Any], list[bytes]]:
    """The inverse of :func:`pack`."""
    end = 4 + int.from_bytes(data[:4], "big")
    front = json.loads(data[4:end])
    blobs = []
    for size in front["sizes"]:
        blobs.append(data[end : end + size])
        end += size
    return front["header"], blobs
