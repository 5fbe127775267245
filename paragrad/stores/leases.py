"""A lease: gradients that were taken out of their accumulators and are on their way into values."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any


class Lease:
    """What ``take_gradients`` gives: consumed by ``publish(consume=lease)``, returned by ``release()``.

    If neither happens, because the process died or the lease expired, the gradients return by
    themselves: the sum of what was applied and what is pending is always the sum of what was pushed.
    As a context manager it releases at exit what was not consumed.

    Attributes:
        id: unique.
        gradients: id, as it was given, to the sum of its pushes.
        counts: id to the number of pushes.
    """

    def __init__(
        self, id: str, store: Any, slot: int, gradients: Mapping[Any, Any], counts: Mapping[Any, int], give_back: Callable[[Lease], None]
    ) -> None:
        self.id = id
        self.store = store
        self.slot = slot
        self.gradients = dict(gradients)
        self.counts = dict(counts)
        self._give_back = give_back

    def release(self) -> None:
        """Return the gradients to their accumulators; nothing happens if they were consumed or returned before."""
        self._give_back(self)

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def __repr__(self) -> str:
        return f"Lease({self.id!r}, {len(self.gradients)} gradients of {self.store!r})"


def me() -> dict[str, Any]:
    """This process, so that others can tell whether it is still there."""
    return {"host": _host(), "pid": os.getpid(), "started": _started(os.getpid())}


def gone(record: Mapping[str, Any]) -> bool:
    """Whether the owner of a lease or a transaction is dead, or its time is over."""
    if record["expires"] < time.time():
        return True
    owner = record["owner"]
    return bool(owner["host"] == _host() and not _alive(owner["pid"], owner["started"]))


def _alive(pid: int, started: str) -> bool:
    if os.name == "nt":  # a signal would end the process there: only the expiry tells
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    now = _started(pid)
    return now == started or not now


def _started(pid: int) -> str:
    """When a process started, in kernel ticks; empty where that cannot be known, "over" for one that has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "over" if fields[0] in "ZX" else fields[19]


@cache
def _host() -> str:
    """Where a process number means something: machine, boot and process namespace."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        space = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return socket.gethostname()
    return f"{socket.gethostname()}/{boot}/{space}"
