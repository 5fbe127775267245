"""Images, sounds and files as inputs: frozen, known by their content, sent inside the request.

A value made from a path keeps the path, the size and the digest, and reads the bytes again when they
are sent; so a thousand pictures cost no memory, and one that was changed meanwhile is an error.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar, Self

from paragrad.errors import DataError
from paragrad.modules.filetypes import AUDIO, IMAGES, file_type, found_type
from paragrad.modules.sources import opened, size_text

MB = 1_000_000


class Media:
    """What images, sounds and files have in common.

    Attributes:
        media_type: e.g. "image/png".
        size: bytes.
        sha256: of the bytes; equal contents are equal values.
    """

    __slots__ = ("_data", "_path", "media_type", "name", "sha256", "size")

    LIMIT: ClassVar[int]
    media_type: str
    size: int
    sha256: str
    name: str
    _data: bytes | None
    _path: Path | None

    def __init__(self, source: str | Path | bytes | bytearray | memoryview) -> None:
        data, path, name = opened(source, type(self).__name__, self.LIMIT)
        self._fix(
            media_type=self._type(data, name),
            size=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            name=name if self._named() else "",
            _data=data if path is None else None,
            _path=path,
        )

    @classmethod
    def of(cls, value: Any) -> Self:
        """A value of this class from bytes, an object that holds them, or one that is one already.

        Pictures of other libraries (with ``save(file, format)``) and ``{"bytes": ...}`` of data sets count. A
        bare text is refused: whether it may be opened as a path is for the program's author to say.

        Raises:
            TypeError: anything else.
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, Mapping) and isinstance(value.get("bytes"), bytes):
            value = value["bytes"]
        if isinstance(value, (bytes, bytearray, memoryview)):
            return cls(bytes(value))
        save: Callable[..., Any] | None = getattr(value, "save", None)
        if save is not None and hasattr(value, "mode") and hasattr(value, "size") and cls.__name__ == "Image":
            buffer = BytesIO()
            save(buffer, "PNG")
            return cls(buffer.getvalue())
        shown = repr(value)
        shown = shown if len(shown) <= 60 else f"{shown[:59]}…"
        raise TypeError(
            f"{shown} of type {type(value).__name__} is no {cls.__name__}; write pg.{cls.__name__}(path) or pg.{cls.__name__}(bytes)"
        )

    @classmethod
    def read(cls, value: Any, folder: Path | None) -> Self:
        """A value of this class from a cell of a data set, where a text is a path.

        Args:
            folder: of the data file: paths are relative to it and must stay inside it. None: rows that
                were written in Python, whose paths are the author's own.

        Raises:
            DataError: the path leads out of the folder, or nowhere, or to something else.
        """
        if not isinstance(value, (str, Path)):
            return cls.of(value)
        if folder is None or str(value).startswith(("data:", "http:", "https:")):
            return cls(value)
        path, inside = (folder / value).resolve(), folder.resolve()
        if inside not in path.parents:
            raise DataError(
                f"the path {str(value)[:80]!r} leads out of {folder}, where the data file lies; "
                f"move the file there, or give rows that hold pg.{cls.__name__}(path)"
            )
        return cls(path)

    @property
    def data(self) -> bytes:
        """The bytes.

        Raises:
            DataError: the file was changed or taken away since this value was made.
        """
        if self._data is not None:
            return self._data
        assert self._path is not None
        data, _, _ = opened(self._path, type(self).__name__, self.LIMIT)
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise DataError(f"{self._path} has changed since {self!r} was made of it; make the value again")
        return data

    def part(self) -> dict[str, Any]:
        """The content part of a chat message that carries it."""
        raise NotImplementedError

    def content_key(self) -> list[Any]:
        """What tells two values apart."""
        return [self.media_type, self.sha256, self.name]

    def _base64(self) -> str:
        return base64.b64encode(self.data).decode("ascii")

    def _uri(self) -> str:
        return f"data:{self.media_type};base64,{self._base64()}"

    @classmethod
    def _named(cls) -> bool:
        """Whether the file's name is part of what a model sees."""
        return False

    @classmethod
    def _type(cls, data: bytes, name: str) -> str:
        """The media type of these bytes, or a DataError."""
        raise NotImplementedError

    def _fix(self, **values: Any) -> None:
        for key, value in values.items():
            object.__setattr__(self, key, value)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{self!r} is frozen; make a new {type(self).__name__}")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and isinstance(other, Media) and self.content_key() == other.content_key()

    def __hash__(self) -> int:
        return hash((type(self).__name__, *self.content_key()))

    def __reduce__(self) -> Any:
        return _rebuilt, (type(self), self.data, self.name, self.media_type)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __repr__(self) -> str:
        kind = self.media_type.rpartition("/")[2].removeprefix("x-")
        named = f"{self.name}, " if self.name else ""
        return f"{type(self).__name__}({named}{kind}, {size_text(self.size)}, {self.sha256[:12]})"

    __str__ = __repr__


class Image(Media):
    """A picture: PNG, JPEG, GIF or WebP, at most 20 MB.

    Args:
        source: a path, bytes, or a ``data:`` URI. Nothing is fetched from the web.

    Raises:
        DataError: no such file, not readable, too large, or no picture of these formats.
    """

    __slots__ = ()
    LIMIT = 20 * MB

    def part(self) -> dict[str, Any]:
        """``image_url`` with the bytes inside."""
        return {"type": "image_url", "image_url": {"url": self._uri()}}

    @classmethod
    def _type(cls, data: bytes, name: str) -> str:
        return found_type(data, IMAGES, f"{name or 'these bytes'}: no picture a model can read", "PNG, JPEG, GIF or WebP")


class Audio(Media):
    """A sound: WAV, MP3, FLAC, Ogg or M4A, at most 25 MB.

    Args:
        source: a path, bytes, or a ``data:`` URI.

    Raises:
        DataError: no such file, not readable, too large, or no sound of these formats.
    """

    __slots__ = ()
    LIMIT = 25 * MB

    def part(self) -> dict[str, Any]:
        """``input_audio`` with the bytes inside."""
        form = {"audio/mpeg": "mp3", "audio/mp4": "m4a"}.get(self.media_type, self.media_type.rpartition("/")[2])
        return {"type": "input_audio", "input_audio": {"data": self._base64(), "format": form}}

    @classmethod
    def _type(cls, data: bytes, name: str) -> str:
        return found_type(data, AUDIO, f"{name or 'these bytes'}: no sound a model can hear", "WAV, MP3, FLAC, Ogg or M4A")


class File(Media):
    """A document, PDF above all, at most 32 MB; its name is part of it.

    Args:
        source: a path, bytes, or a ``data:`` URI.

    Raises:
        DataError: no such file, not readable, too large or empty.
    """

    __slots__ = ()
    LIMIT = 32 * MB

    def part(self) -> dict[str, Any]:
        """``file`` with name and bytes inside."""
        return {"type": "file", "file": {"filename": self.name, "file_data": self._uri()}}

    @classmethod
    def _named(cls) -> bool:
        return True

    @classmethod
    def _type(cls, data: bytes, name: str) -> str:
        return file_type(data, name)


def _rebuilt(cls: type[Media], data: bytes, name: str, media_type: str) -> Media:
    """The value on the other side of a copy between processes."""
    made = cls.__new__(cls)
    made._fix(media_type=media_type, size=len(data), sha256=hashlib.sha256(data).hexdigest(), name=name, _data=data, _path=None)
    return made
