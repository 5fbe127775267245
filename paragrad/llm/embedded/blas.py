"""Keeps BLAS to one thread while the model runs: its matrices are so small that more threads only wait for each other.

numpy has no call for this, so the OpenBLAS inside numpy's wheel is asked directly; where there is
none (another BLAS, another build) nothing happens. Answers are the same bits either way.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np

_NAMES = ("scipy_openblas_{}_num_threads64_", "scipy_openblas_{}_num_threads", "openblas_{}_num_threads64_", "openblas_{}_num_threads")


class _Users:
    """How many runs are under way, and the thread count to go back to."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.count = 0
        self.before = 0


_users = _Users()


@cache
def _library() -> tuple[ctypes.CDLL, str] | None:
    """The loaded OpenBLAS and its naming pattern."""
    package = Path(np.__file__).parent
    for folder in (package.parent / "numpy.libs", package / ".dylibs"):
        for path in sorted(folder.glob("*openblas*")):
            try:
                library = ctypes.CDLL(str(path))
            except OSError:
                continue
            for name in _NAMES:
                if hasattr(library, name.format("set")) and hasattr(library, name.format("get")):
                    return library, name
    return None


def threads() -> int | None:
    """BLAS threads in use, None when that is unknown."""
    found = _library()
    return None if found is None else int(found[0][found[1].format("get")]())


def _set(number: int) -> None:
    found = _library()
    if found is not None:
        found[0][found[1].format("set")](ctypes.c_int(number))


@contextmanager
def one_thread() -> Iterator[None]:
    """BLAS works with one thread inside; the last user to leave restores the number found by the first."""
    with _users.lock:
        _users.count += 1
        if _users.count == 1:
            _users.before = threads() or 1
            _set(1)
    try:
        yield
    finally:
        with _users.lock:
            _users.count -= 1
            if _users.count == 0:
                _set(_users.before)
