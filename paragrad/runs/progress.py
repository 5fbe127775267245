"""Progress of a run: live on a terminal, one line per event elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TextIO

from paragrad import events
from paragrad.errors import UsageError
from paragrad.runs.lines import WIDTH, Line, plain
from paragrad.runs.watching import Event, Watch


class Screen(Protocol):
    """Where lines go."""

    def write(self, lines: Sequence[Line]) -> None:
        """Lines that stay."""

    def open(self, watch: Watch) -> Any:
        """A context in which the live part of ``watch`` is kept up to date."""

    def hear(self, watch: Watch, event: Event) -> None:
        """Take an event in and show what it leaves."""


class Plain:
    """Lines on a stream that is no terminal; flushed one by one."""

    def __init__(self, stream: TextIO, width: int = WIDTH) -> None:
        self.stream = stream
        self.width = width

    def write(self, lines: Sequence[Line]) -> None:
        """Lines without colours."""
        if lines:
            self.stream.write(plain(lines, self.width) + "\n")
            self.stream.flush()

    @contextmanager
    def open(self, watch: Watch) -> Iterator[None]:
        """Nothing is live here."""
        yield

    def hear(self, watch: Watch, event: Event) -> None:
        """One line per event."""
        self.write(watch.told(event))


def screen_for(stream: TextIO) -> Screen:
    """The live screen for a terminal, plain lines for anything else."""
    if not stream.isatty():
        return Plain(stream)
    from paragrad.runs.terminal import Terminal

    return Terminal(stream)


@contextmanager
def shown(progress: Any = "auto", hint: str = "") -> Iterator[None]:
    """Show the events of the block.

    Args:
        progress: "auto" (live where standard error is a terminal, nothing elsewhere), True (also
            elsewhere, one line per event), False or None (nothing), or a :class:`Screen`.
        hint: how an interrupted run goes on.

    Raises:
        UsageError: anything else.
    """
    screen = _screen(progress)
    if screen is None:
        yield
        return
    watch = Watch(hint)
    off = events.on("*", lambda event: screen.hear(watch, event))
    try:
        with screen.open(watch):
            yield
    finally:
        off()


def _screen(progress: Any) -> Screen | None:
    if progress is None or progress is False:
        return None
    if progress is True or progress == "auto":
        return screen_for(sys.stderr) if progress is True or sys.stderr.isatty() else None
    if hasattr(progress, "hear") and hasattr(progress, "open"):
        return progress  # type: ignore[no-any-return]
    raise UsageError(f'progress={progress!r:.60} is not understood; write "auto", True or False')
