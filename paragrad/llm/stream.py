"""Stream: one answer, piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextvars import copy_context
from queue import SimpleQueue
from threading import Thread

from paragrad.errors import ModelError, UsageError
from paragrad.llm.types import Response


class Stream:
    """Iterates over pieces of text; :attr:`response` is the whole answer once they ended.

    A recorded or cached answer comes as one piece. The call goes on to its end, and into the record,
    when the reader stops early.
    """

    def __init__(self) -> None:
        self._queue: SimpleQueue[str | None] = SimpleQueue()
        self._answer: Response | ModelError | None = None
        self._raised: BaseException | None = None

    def hear(self, text: str) -> None:
        """One more piece."""
        self._queue.put(text)

    def start(self, ask: Callable[[], Response | ModelError]) -> Stream:
        """Ask in a thread of its own."""

        def run() -> None:
            try:
                self._answer = ask()
            except BaseException as error:  # noqa: BLE001  raised again in the reader
                self._raised = error
            finally:
                self._queue.put(None)

        Thread(target=copy_context().run, args=(run,), name="paragrad-stream", daemon=True).start()
        return self

    def __iter__(self) -> Iterator[str]:
        """The pieces, as they arrive.

        Raises:
            ModelError: the answer failed; pieces given before it are no answer.
        """
        while (piece := self._queue.get()) is not None:
            yield piece
        self._queue.put(None)  # iterating again ends at once
        self._check()

    @property
    def response(self) -> Response:
        """The whole answer."""
        self._check()
        if isinstance(self._answer, Response):
            return self._answer
        raise UsageError("the stream has not ended; read its pieces first, then .response")

    def _check(self) -> None:
        if self._raised is not None:
            raise self._raised
        if isinstance(self._answer, ModelError):
            raise self._answer
