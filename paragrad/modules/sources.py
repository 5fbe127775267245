"""Where the bytes of an input come from: a path, bytes, or a data URI; never the web."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Any

from paragrad.errors import DataError


def opened(source: Any, kind: str, limit: int) -> tuple[bytes, Path | None, str]:
    """The bytes of a source, its path if it has one, and its name.

    Raises:
        DataError: no such file, not readable, empty or too large; the message says which.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _sized(bytes(source), "these bytes", kind, limit), None, "document" if kind == "File" else ""
    if not isinstance(source, (str, Path)):
        raise DataError(f"{kind} is made of a path or of bytes, not of {str(source)[:60]!r} of type {type(source).__name__}")
    if str(source).startswith("data:"):
        return _sized(_from_uri(str(source)), "this data URI", kind, limit), None, "document" if kind == "File" else ""
    if str(source).startswith(("http://", "https://")):
        raise DataError(f"{kind}({str(source)[:60]!r}): nothing is fetched from the web here; download it and give its path or bytes")
    path = Path(source).expanduser()
    try:
        if not path.is_file():
            found = "is a folder" if path.is_dir() else "is no plain file" if path.exists() else "does not exist"
            raise DataError(f"{kind}: {path} {found} (looked in {path.absolute().parent})")
        _check_size(path.stat().st_size, str(path), kind, limit)
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{kind}: {str(path)[:200]!r} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    return _sized(data, str(path), kind, limit), path.absolute(), path.name


def _sized(data: bytes, where: str, kind: str, limit: int) -> bytes:
    _check_size(len(data), where, kind, limit)
    return data


def _check_size(size: int, where: str, kind: str, limit: int) -> None:
    if not size:
        raise DataError(f"{kind}: there is nothing in {where}")
    if size > limit:
        raise DataError(f"{kind}: {where} has {size_text(size)}; at most {size_text(limit)} are sent. Make it smaller")


def _from_uri(uri: str) -> bytes:
    head, _, body = uri.partition(",")
    try:
        if not head.endswith(";base64"):
            raise ValueError("it is not base64")
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DataError(f"the data URI {uri[:40]!r}… cannot be read: {error}") from error


def size_text(size: int) -> str:
    """A number of bytes for a person."""
    if size < 1000:
        return f"{size} B"
    return f"{size / 1000:.0f} kB" if size < 1_000_000 else f"{size / 1_000_000:.1f} MB"
