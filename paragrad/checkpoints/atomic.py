"""Files that are replaced whole: a reader finds the old content or the new, whenever the power goes."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from secrets import token_hex
from typing import Any

from paragrad.errors import DataError

AHEAD = 32 << 20
"""Bytes that are written between two syncs of a large file."""


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


@contextmanager
def ahead(file: FileIO, size: int) -> Iterator[Callable[[], None]]:
    """Bring what was written so far to the disk while more is written: the disk then works all the time, not only at the end.

    Yields:
        A function to call after each piece. An error of the disk is raised there or when the block ends, for it is told only once.
    """
    sync: Any = getattr(os, "fdatasync", None)
    if size < 2 * AHEAD or sync is None:
        yield _nothing
        return
    _reserve(file, size)
    with ThreadPoolExecutor(1) as pool:
        running: Future[None] | None = None
        synced = 0

        def written() -> None:
            nonlocal running, synced
            if file.tell() - synced >= AHEAD and (running is None or running.done()):
                if running is not None:
                    running.result()
                synced, running = file.tell(), pool.submit(sync, file.fileno())

        yield written
        if running is not None:
            running.result()


def _reserve(file: FileIO, size: int) -> None:
    """Space for the whole file, so that a full disk is noticed before anything is written; not every file system can."""
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.ENODEV):
            raise


def _nothing() -> None:
    """A small file is synced once, at the end."""


def sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` last, where the system can."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
