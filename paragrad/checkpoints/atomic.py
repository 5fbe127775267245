"""Files that are replaced whole: a reader finds the old content or the new, whenever the power goes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from secrets import token_hex

from paragrad.errors import DataError


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


def begin_to_sync(file: FileIO, offset: int, size: int) -> None:
    """Linux starts to write pages to the disk when told that they are not needed; so the sync at the end has less to wait for."""
    if hasattr(os, "posix_fadvise"):
        with suppress(OSError):  # advice only
            os.posix_fadvise(file.fileno(), offset, size, os.POSIX_FADV_DONTNEED)


def sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` last, where the system can."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
