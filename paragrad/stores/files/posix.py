"""Writing and reading files so that a crash leaves the old content or the new."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from paragrad.disk import begin_to_sync, sync_folder
from paragrad.errors import StoreError

_MOST = 1 << 30
_PIECE = 1 << 20


def read_at(fd: int, offset: int, size: int) -> bytes:
    """``size`` bytes from ``offset``; fewer where the file ends."""
    data = os.pread(fd, size, offset)
    if len(data) == size or not data:
        return data
    parts = [data]
    while len(data) and (left := size - sum(map(len, parts))) > 0:
        data = os.pread(fd, min(left, _MOST), offset + size - left)
        parts.append(data)
    return b"".join(parts)


def write_at(fd: int, parts: Sequence[bytes | memoryview], offset: int) -> None:
    """Write the parts one behind the other, from ``offset`` on. Large ones are on their way to the disk while the rest is written."""
    waiting = [memoryview(part) for part in parts if len(part)]
    if sum(map(len, waiting)) < 1 << 16:
        waiting = [memoryview(b"".join(waiting))]
    for part in waiting:
        while len(part):
            done = os.pwrite(fd, part[:_PIECE], offset)
            if done == _PIECE:
                begin_to_sync(fd, offset, done)
            part = part[done:]
            offset += done


def replace(path: Path, content: bytes) -> None:
    """Put ``content`` at ``path``, durably: temporary file, fsync, rename, fsync of the directory."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    try:
        write_at(fd, [content], 0)
        os.fsync(fd)
    finally:
        os.close(fd)
    temporary.replace(path)
    sync_folder(path.parent)


def sync_file(fd: int) -> None:
    """What was written to a file is durable from here on."""
    getattr(os, "fdatasync", os.fsync)(fd)  # macOS has no fdatasync


def close(*fds: int) -> None:
    """Close the descriptors that are open (not -1)."""
    for fd in fds:
        if fd >= 0:
            os.close(fd)


def posix_locks() -> Any:
    """The module of file locks.

    Raises:
        StoreError: this system has none.
    """
    try:
        import fcntl
    except ImportError:
        raise StoreError("a store in a directory needs file locks of a POSIX system; use 'sqlite:///file.db' here") from None
    return fcntl
