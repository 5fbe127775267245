"""What a file is, by its first bytes; endings and declared types are not believed."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Mapping

from paragrad.errors import DataError

Test = Callable[[bytes], bool]

IMAGES: Mapping[str, Test] = {
    "image/png": lambda data: data.startswith(b"\x89PNG\r\n\x1a\n"),
    "image/jpeg": lambda data: data.startswith(b"\xff\xd8\xff"),
    "image/gif": lambda data: data.startswith((b"GIF87a", b"GIF89a")),
    "image/webp": lambda data: data[:4] == b"RIFF" and data[8:12] == b"WEBP",
}
AUDIO: Mapping[str, Test] = {
    "audio/wav": lambda data: data[:4] == b"RIFF" and data[8:12] == b"WAVE",
    "audio/mpeg": lambda data: data.startswith(b"ID3") or (data[:1] == b"\xff" and data[1:2] in (b"\xfb", b"\xf3", b"\xf2", b"\xfa")),
    "audio/flac": lambda data: data.startswith(b"fLaC"),
    "audio/ogg": lambda data: data.startswith(b"OggS"),
    "audio/mp4": lambda data: data[4:8] == b"ftyp",
}
OTHERS: Mapping[str, Test] = {
    "application/pdf": lambda data: data.startswith(b"%PDF-"),
    "application/zip": lambda data: data.startswith(b"PK\x03\x04"),
    "an HTML page": lambda data: data[:200].lstrip().lower().startswith((b"<!doctype html", b"<html")),
    "an SVG drawing": lambda data: b"<svg" in data[:500].lower(),
}


def found_type(data: bytes, known: Mapping[str, Test], wrong: str, wanted: str) -> str:
    """The media type among ``known``.

    Raises:
        DataError: none of them; says what it seems to be.
    """
    for media_type, test in known.items():
        if test(data):
            return media_type
    seems = next((name for name, test in {**IMAGES, **AUDIO, **OTHERS}.items() if test(data)), f"beginning with {data[:8]!r}")
    raise DataError(f"{wrong}; {wanted} is wanted, this is {seems}")


def file_type(data: bytes, name: str) -> str:
    """The media type of a document: by its bytes, else by its ending, else text or bytes."""
    for media_type, test in {**IMAGES, **AUDIO, "application/pdf": OTHERS["application/pdf"]}.items():
        if test(data):
            return media_type
    guessed = mimetypes.guess_type(name)[0]
    if guessed is not None:
        return guessed
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return "application/octet-stream"
    return "text/plain"
