"""Behind: a tracker's thread, so that neither its slowness nor its failure is the run's."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from queue import SimpleQueue
from threading import Thread
from typing import Any

from paragrad import events

LAST_SECONDS = 30.0  # a run waits this long for its trackers at the end

Event = Mapping[str, Any]


class Behind:
    """Hands events on in order; the first failure ends it, and is reported by whoever hears or closes next.

    Args:
        name: for messages.
        hear: told every event, in the thread.
        end: told how the run ended, in the thread.
    """

    def __init__(self, name: str, hear: Callable[[Event], None], end: Callable[[BaseException | None], None]) -> None:
        self.name = name
        self.failed: Exception | None = None
        self._hear = hear
        self._end = end
        self._reported = False
        self._queue: SimpleQueue[tuple[Callable[[Any], None], Any] | None] = SimpleQueue()
        self._thread: Thread | None = None

    def hear(self, event: Event) -> None:
        """Take an event in; returns at once."""
        if self.failed is not None:
            self._report()
            return
        self._start()
        self._queue.put((self._hear, event))

    def close(self, error: BaseException | None) -> None:
        """Tell how it ended, and wait for the rest to be written."""
        if self._thread is not None:
            self._queue.put((self._end, error))
            self._queue.put(None)
            self._thread.join(LAST_SECONDS)
            if self._thread.is_alive() and self.failed is None:
                self.failed = TimeoutError(f"it was not done {LAST_SECONDS:g} s after the run")
        self._report()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = Thread(target=self._run, name=f"paragrad-track-{self.name}", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while (told := self._queue.get()) is not None:
            function, given = told
            if self.failed is not None:
                continue
            try:
                function(given)
            except Exception as error:  # noqa: BLE001  whatever a tracker does wrong, the run goes on
                self.failed = error

    def _report(self) -> None:
        if self.failed is not None and not self._reported:
            self._reported = True
            warn(self.name, self.failed)


def warn(name: str, error: BaseException) -> None:
    """One warning: a tracker is told nothing more."""
    text = f"the tracker {name} failed and is told nothing more; the run goes on: {type(error).__name__}: {error}"
    logging.getLogger("paragrad").warning(text)
    events.emit("warning", text=text[:500])
