"""How pointers and versions lie in the documents of a key-value store."""

from __future__ import annotations

import json
from functools import lru_cache

from paragrad.stores.backend import Pointer, Row
from paragrad.stores.sealing import canonical, unpack


def pointer_bytes(pointer: Pointer) -> bytes:
    """A pointer's document: version, count, spec, shape as JSON."""
    return f"[{pointer.version},{pointer.count},{_quoted(pointer.spec)},[{','.join(map(str, pointer.shape))}]]".encode()


@lru_cache(maxsize=1024)
def _quoted(spec: str) -> str:
    """A spec as JSON; many parameters have one."""
    return canonical(spec)


def pointer_from(payload: bytes) -> Pointer:
    """The inverse of :func:`pointer_bytes`."""
    version, count, spec, shape = json.loads(payload)
    return Pointer(version, count, spec, tuple(shape))


def row_bytes(row: Row) -> bytes:
    """A version's document: what ``pack`` makes of its header and its data, spelled out."""
    shape, note = ",".join(map(str, row.shape)), "null" if row.note is None else canonical(row.note)
    header = f'{{"note":{note},"shape":[{shape}],"spec":{_quoted(row.spec)},"time":{row.time!r},"version":{row.version}}}'
    front = f'{{"header":{header},"sizes":[{len(row.data)}]}}'.encode()
    return b"".join([len(front).to_bytes(4, "big"), front, row.data])


def row_from(id: str, ordinal: int, payload: bytes) -> Row:
    """The inverse of :func:`row_bytes`."""
    header, blobs = unpack(payload)
    return Row(id, header["version"], ordinal, header["time"], header["note"], header["spec"], blobs[0], tuple(header["shape"]))
