"""Files that are replaced whole: a reader finds the old content or the new, whenever the power goes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from secrets import token_hex
from typing import Any

from paragrad.disk import begin_to_sync, sync_folder
from paragrad.errors import DataError

PIECE = 1 << 20
"""Bytes that are written at once."""


@contextmanager
def replacing(path: Path) -> Iterator[FileIO]:
    """A new file beside ``path`` that takes its place when the block ends well, after both it and the folder are on the disk.

    Raises:
        DataError: it cannot be written (no such folder, no permission, a full disk); the old file is as it was.
    """
    aside = path.with_name(f".{path.name[:200]}.{token_hex(6)}.new")
    try:
        try:
            with FileIO(os.open(aside, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666), "r+b") as file:
                yield file
                os.fsync(file.fileno())
            aside.replace(path)
            sync_folder(path.parent)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}; nothing of it was changed") from error


def put(file: FileIO, data: Any) -> None:
    """Write all of it; a large one is on its way to the disk while the rest is written."""
    view = memoryview(data)
    while view.nbytes:
        done = file.write(view[:PIECE])
        if done == PIECE:
            begin_to_sync(file.fileno(), file.tell() - done, done)
        view = view[done:]
