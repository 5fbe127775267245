"""How far a local manifest has come, in a file beside it: so one whose last records were cut off is told from one that never had them.

The file ``reached`` has two lines of fixed length, written in place and never waited for:

    the last record that was synchronised
    the last record that was only written, and since which start of the machine: what was written then is there until the next

It may lag behind the manifest (a crash, a power cut), and is never ahead of it.
"""

from __future__ import annotations

import os
import re
import threading
import zlib
from contextlib import suppress
from pathlib import Path

from paragrad.errors import Corrupted
from paragrad.stores.files.posix import close

_LINE = re.compile(rb"([0-9]{20}) ([0-9a-z-]{36}) ([0-9a-f]{8})\n")
_SIZE = 67
_ALWAYS = "-" * 36


class Reached:
    """The file ``reached``.

    Args:
        path: of the file; made when missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1
        self._boot = _boot()
        self._last = [0, 0]
        self._writing = threading.Lock()

    def note(self, number: int, durable: bool) -> None:
        """Record ``number`` was acknowledged; ``durable``: it was synchronised before."""
        line = 0 if durable else 1
        if line == 1 and not self._boot:
            return
        with self._writing, suppress(OSError):  # without it a cut is not noticed, and nothing else
            if number > self._last[line]:
                self._last[line] = number
                self._write(line, number, _ALWAYS if durable else self._boot)

    def refuse_fewer(self, number: int, manifest: str) -> None:
        """Refuse a manifest that ends at record ``number`` where there were more.

        Raises:
            Corrupted: there were.
        """
        try:
            found = self._path.read_bytes()
        except FileNotFoundError:
            return
        lines = [_LINE.fullmatch(found[at : at + _SIZE]) for at in (0, _SIZE)]
        whole = [line for line in lines if line is not None and int(line[3], 16) == zlib.crc32(line[0][:58])]
        were = max((int(line[1]) for line in whole if line[2].decode() in (_ALWAYS, self._boot)), default=0)
        if were > number:
            raise Corrupted(
                f"{manifest} was cut: it ends at record {number}, and there were {were}; restore the directory from a backup, "
                f"or delete {self._path} to go on without what they held"
            )

    def close(self) -> None:
        """Close the file; the next use opens it."""
        close(self._fd)
        self._fd, self._last = -1, [0, 0]
        self._writing = threading.Lock()

    def _write(self, line: int, number: int, since: str) -> None:
        if self._fd < 0:
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        text = f"{number:020} {since} ".encode()
        os.pwrite(self._fd, text + b"%08x\n" % zlib.crc32(text), line * _SIZE)


def _boot() -> str:
    """Which start of the machine this is; empty where that cannot be known."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
