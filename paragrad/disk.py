"""What a durable write needs besides writing."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def begin_to_sync(fd: int, offset: int, size: int) -> None:
    """Linux starts to write pages to the disk when told that they are not needed; so the sync that follows has less to wait for."""
    if hasattr(os, "posix_fadvise"):
        with suppress(OSError):  # advice only
            os.posix_fadvise(fd, offset, size, os.POSIX_FADV_DONTNEED)


def sync_folder(folder: Path) -> None:
    """The names in a directory are durable from here on, where the system can do that."""
    if os.name != "posix":
        return
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
