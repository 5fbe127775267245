"""Hedge layer: a call that takes too long is asked a second time, and the first answer counts. Opt-in.

(Dean and Barroso, "The tail at scale", 2013.) Both attempts are reserved and paid for. Which one answers
is a matter of timing, so a hedged run is outside the promise of equal bytes.
"""

from __future__ import annotations

from contextvars import copy_context
from dataclasses import replace
from queue import Empty, SimpleQueue
from threading import Thread

from paragrad.llm.layer import Call, Layer, Spent
from paragrad.llm.types import Response

Answer = tuple[Call, Response | None, BaseException | None]


class Hedged:
    """Asks again after ``seconds`` without an answer, at most twice in all. Streamed calls are never hedged.

    Args:
        inner: the layer that makes one paid attempt.
        seconds: how long the first attempt may take alone.
    """

    def __init__(self, inner: Layer, seconds: float) -> None:
        self.inner = inner
        self.seconds = seconds

    def handle(self, call: Call) -> Response:
        if call.listener is not None:
            return self.inner.handle(call)
        answers: SimpleQueue[Answer] = SimpleQueue()
        started = [self._start(call, answers)]
        try:
            return self._first(call, answers, started)
        finally:
            for attempt in started:  # what a late one still takes reaches the ledger, not this call's record
                call.sent = call.sent or attempt.sent
                call.spent.calls += attempt.spent.calls
                call.spent.tokens += attempt.spent.tokens
                if attempt.spent.usd is not None:
                    call.spent.usd = (call.spent.usd or 0.0) + attempt.spent.usd

    def _first(self, call: Call, answers: SimpleQueue[Answer], started: list[Call]) -> Response:
        """The first answer; an error only when no attempt is left that could still answer."""
        error: BaseException | None = None
        heard = 0
        while heard < len(started):
            try:
                _, response, error = answers.get(timeout=self.seconds if len(started) == 1 and not heard else None)
            except Empty:
                started.append(self._start(call, answers))
                continue
            heard += 1
            if response is not None:
                return response
        assert error is not None
        raise error

    def _start(self, call: Call, answers: SimpleQueue[Answer]) -> Call:
        attempt = replace(call, spent=Spent())
        context = copy_context()
        Thread(target=context.run, args=(_ask, self.inner, attempt, answers), daemon=True, name="paragrad-hedge").start()
        return attempt


def _ask(inner: Layer, attempt: Call, answers: SimpleQueue[Answer]) -> None:
    try:
        answers.put((attempt, inner.handle(attempt), None))
    except BaseException as error:  # noqa: BLE001 - raised where the call was made
        answers.put((attempt, None, error))
