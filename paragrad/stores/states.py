"""Optimizer state as bytes: plain data and arrays, without pickle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paragrad.errors import UsageError
from paragrad.stores.sealing import pack, unpack

_MARK = "$array"
_DEPTH = 100


def encode_state(name: str, state: Any) -> bytes:
    """JSON-like data (dicts with str keys, lists, numbers, texts, None) and numpy arrays.

    Raises:
        UsageError: something else, naming where it stands; or data nested deeper than 100.
    """
    blobs: list[bytes] = []
    return pack({"state": _plain(state, name, blobs, 0)}, blobs)


def decode_state(data: bytes) -> Any:
    """The inverse of :func:`encode_state`; tuples come back as lists, arrays read-only."""
    header, blobs = unpack(data)
    return _rich(header["state"], blobs)


def _plain(value: Any, path: str, blobs: list[bytes], depth: int) -> Any:
    if depth > _DEPTH:
        raise UsageError(f"the state {path[:80]!r} is nested deeper than {_DEPTH}; keep it flat")
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise UsageError(f"the state at {path} has the key {key!r:.60}; keys are texts: write str(key)")
        return {_escaped(key): _plain(item, f"{path}[{key!r}]", blobs, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, f"{path}[{i}]", blobs, depth + 1) for i, item in enumerate(value)]
    if hasattr(value, "tobytes") and getattr(getattr(value, "dtype", None), "kind", "") in ("b", "i", "u", "f", "c"):
        blobs.append(value.tobytes())
        return {_MARK: [len(blobs) - 1, str(value.dtype), list(value.shape)]}
    raise UsageError(f"the state at {path} is a {type(value).__name__} ({value!r:.60}); use plain data and numpy arrays")


def _rich(value: Any, blobs: list[bytes]) -> Any:
    if isinstance(value, list):
        return [_rich(item, blobs) for item in value]
    if not isinstance(value, dict):
        return value
    if _MARK not in value:
        return {key[1:] if key.startswith("$$") else key: _rich(item, blobs) for key, item in value.items()}
    import numpy

    index, dtype, shape = value[_MARK]
    return numpy.frombuffer(blobs[index], dtype).reshape(shape)


def _escaped(key: str) -> str:
    return f"${key}" if key.startswith("$") else key
