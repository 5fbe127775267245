"""Hooks: functions that see every record as it is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from paragrad.trace.state import STATE


def on_record(fn: Callable[[Any], None]) -> Callable[[], None]:
    """Call ``fn(variable)`` with every Variable an operation makes, in this context; returns the way back."""
    STATE.set(STATE.get().but(hooks=(*STATE.get().hooks, fn)))

    def off() -> None:
        STATE.set(STATE.get().but(hooks=tuple(h for h in STATE.get().hooks if h is not fn)))

    return off


@contextmanager
def recording(fn: Callable[[Any], None]) -> Iterator[None]:
    """The same for one block."""
    off = on_record(fn)
    try:
        yield
    finally:
        off()
