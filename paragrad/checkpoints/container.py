"""The container: a safetensors file whose metadata carries a checksum of every tensor and of the header itself.

A safetensors file is eight bytes of length, a JSON header, and the tensors' bytes without gaps. The
format notices a cut file but no flipped byte, so each tensor and the header get a CRC-32 here: it
finds every damage of up to 32 bits and costs a tenth of what SHA-256 does, which is on request.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from stat import S_ISDIR, S_ISFIFO, S_ISREG
from threading import Lock
from typing import Any

from paragrad.checkpoints.atomic import put, replacing
from paragrad.errors import DataError

DTYPES = {
    "bool": "BOOL", "uint8": "U8", "int8": "I8", "uint16": "U16", "int16": "I16", "float16": "F16", "uint32": "U32", "int32": "I32",
    "float32": "F32", "uint64": "U64", "int64": "I64", "float64": "F64",
}  # fmt: skip
"""Our names of element types to the format's."""
FORMAT = "paragrad.checkpoint.1"
LONGEST_HEADER = 100_000_000
READERS = min(4, os.cpu_count() or 1)
"""Threads that read and compare. Most of reading is making the pages of fresh memory, which they do side by side."""
_MOST = 1 << 30
_OWN = "header_crc32"

Digest = Callable[[Any], str]


def _crc32(data: Any) -> str:
    return f"{zlib.crc32(data):08x}"


def _sha256(data: Any) -> str:
    return hashlib.sha256(data).hexdigest()


DIGESTS: Mapping[str, Digest] = {"crc32": _crc32, "sha256": _sha256}


@dataclass(frozen=True)
class Blob:
    """One tensor of the file: its name, element type, shape, and bytes or something with a buffer."""

    name: str
    dtype: str
    shape: Sequence[int]
    data: Any
    size: int


def write(path: Path, blobs: Sequence[Blob], digests: Sequence[str] = ("crc32",)) -> None:
    """Write a file whole or not at all. Checksums are computed beside the writing and put into the header last."""
    table: dict[str, Any] = {}
    end = 0
    for blob in blobs:
        table[blob.name] = {"dtype": DTYPES[blob.dtype], "shape": list(blob.shape), "data_offsets": [end, end + blob.size]}
        end += blob.size
    blank = {name: " ".join([DIGESTS[name](b"")] * len(blobs)) for name in digests}
    with ThreadPoolExecutor(2) as pool, replacing(path) as file:
        sums = {name: [pool.submit(DIGESTS[name], blob.data) for blob in blobs] for name in digests}
        put(file, _header(table, blank))
        for blob in blobs:
            put(file, blob.data)
        file.seek(0)
        put(file, _header(table, {name: " ".join(each.result() for each in found) for name, found in sums.items()}))


def _header(table: Mapping[str, Any], sums: Mapping[str, str]) -> bytes:
    """The header, of the same length for all checksums, with its own in it."""
    record = {"__metadata__": {"format": FORMAT, **sums, _OWN: "0" * 8}, **table}
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    blank, own = _own(b"0" * 8), _own(_crc32(text).encode())
    return struct.pack("<Q", len(text)) + text.replace(blank, own, 1)


def _own(digits: bytes) -> bytes:
    return b'"' + _OWN.encode() + b'":"' + digits + b'"'


def read(path: Path) -> dict[str, Blob]:
    """The tensors of a file, each compared with its checksums.

    Raises:
        DataError: missing, not of this library, of a newer one, cut, or damaged.
    """
    try:
        if not S_ISREG(os.stat(path).st_mode):  # opening a pipe would wait for somebody to write into it
            raise DataError(f"{path} cannot be read: it is a {_kind(path)}; a checkpoint is a regular file, so copy it into one")
        with FileIO(os.fspath(path), "r") as file:
            return _blobs(file, path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error


def _kind(path: Path) -> str:
    """What is there instead of a file, in words."""
    mode = os.stat(path).st_mode
    return "folder" if S_ISDIR(mode) else "pipe" if S_ISFIFO(mode) else "device or socket"


def _blobs(file: FileIO, path: Path) -> dict[str, Blob]:
    size = os.fstat(file.fileno()).st_size
    file_bytes = _Bytes(file, path)
    table, metadata, start = _table(file_bytes, size)
    names = list(table)
    spans = [_span(path, name, table[name]) for name in names]
    if [span[2] for span in spans] != [0, *(span[3] for span in spans[:-1])] or start + (spans[-1][3] if spans else 0) != size:
        raise DataError(f"{path} was cut, or something was added: it has {size} bytes, its header describes others")
    expected = {name: _listed(path, metadata[name], len(names)) for name in DIGESTS if name in metadata}
    if "crc32" not in expected:
        raise DataError(f"{path} carries no checksums; it was changed by someone")
    with ThreadPoolExecutor(READERS) as pool:
        jobs = [
            pool.submit(
                _checked, file_bytes, start + low, high - low, [(DIGESTS[kind], wanted[place]) for kind, wanted in expected.items()]
            )
            for place, (_, _, low, high) in enumerate(spans)
        ]
    found: dict[str, Blob] = {}
    for name, (dtype, shape, low, high), job in zip(names, spans, jobs, strict=True):
        data = job.result()
        if data is None:
            raise DataError(f"{path} was damaged: the bytes of {name!r:.120} do not match their checksum; take another copy of the file")
        found[name] = Blob(name, dtype, shape, data, high - low)
    return found


def _checked(file_bytes: _Bytes, at: int, size: int, sums: Sequence[tuple[Digest, str]]) -> bytes | None:
    """The bytes of one tensor, or None where a checksum is another. Reading and adding up both let other threads run."""
    data = file_bytes.get(at, size)
    return data if all(digest(data) == wanted for digest, wanted in sums) else None


def _table(file_bytes: _Bytes, size: int) -> tuple[dict[str, Any], dict[str, str], int]:
    """The header: tensors by name in the order of their bytes, metadata, and where the bytes begin."""
    path = file_bytes.path
    foreign = f"{path} is no checkpoint of this library"
    first = file_bytes.get(0, min(8, size))
    length = struct.unpack("<Q", first)[0] if len(first) == 8 else 0
    if not 2 <= length <= min(LONGEST_HEADER, size - 8):
        raise DataError(f"{foreign}, or it was cut: it has {size} bytes")
    text = file_bytes.get(8, length)
    try:
        record = json.loads(text.decode())
        metadata = record.pop("__metadata__")
        layout = metadata["format"]
        table = dict(sorted(record.items(), key=lambda item: tuple(item[1]["data_offsets"])))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise DataError(f"{foreign}; a plain safetensors file opens with safetensors.numpy.load_file") from None
    if layout != FORMAT:
        raise DataError(f"{foreign}: its format is {str(layout)[:40]!r}, this version reads {FORMAT!r}")
    own = metadata.get(_OWN)
    if not isinstance(own, str) or _crc32(text.replace(_own(own.encode()), _own(b"0" * 8), 1)) != own:
        raise DataError(f"{path} was damaged: its header does not match its checksum; take another copy of the file")
    return table, metadata, 8 + length


def _span(path: Path, name: str, entry: Mapping[str, Any]) -> tuple[str, tuple[int, ...], int, int]:
    """Element type, shape, and the first and last byte."""
    known = {theirs: ours for ours, theirs in DTYPES.items()}
    try:
        dtype, shape = known[entry["dtype"]], tuple(entry["shape"])
        low, high = entry["data_offsets"]
        count = item_size(dtype)
        for part in (*shape, low, high):
            if type(part) is not int or part < 0:
                raise ValueError(part)
        for part in shape:
            count *= part
        if high - low != count or len(shape) > 32:
            raise ValueError(count)
    except (KeyError, ValueError, TypeError):
        raise DataError(f"{path}: the header describes no tensor under {name[:80]!r}; it was changed by someone") from None
    return dtype, shape, low, high


def item_size(dtype: str) -> int:
    """Bytes of one element."""
    return 1 if dtype == "bool" else int(dtype.lstrip("uintfloa")) // 8


def _listed(path: Path, text: Any, count: int) -> list[str]:
    sums = text.split(" ") if isinstance(text, str) and text else []
    if len(sums) != count:
        raise DataError(f"{path}: {len(sums)} checksums for {count} tensors; it was changed by someone")
    return sums


class _Bytes:
    """A file that several threads read from."""

    def __init__(self, file: FileIO, path: Path) -> None:
        self.file = file
        self.path = path
        self.lock = Lock()

    def get(self, at: int, size: int) -> bytes:
        """Exactly ``size`` bytes."""
        pieces: list[bytes] = []
        while size:
            piece = self._some(at, min(size, _MOST))
            if not piece:
                raise DataError(f"{self.path} was cut while it was read")
            pieces.append(piece)
            at += len(piece)
            size -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _some(self, at: int, size: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self.file.fileno(), size, at)
        with self.lock:
            self.file.seek(at)
            return self.file.read(size) or b""
