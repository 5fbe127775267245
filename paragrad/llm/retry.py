"""Retry layer: transient failures are asked again, within one deadline; permanent ones never."""

from __future__ import annotations

import time
from copy import copy
from random import Random

from paragrad.errors import DeadlineExceeded, ModelError
from paragrad.llm.layer import Call, Layer
from paragrad.llm.secrets import shorten
from paragrad.llm.types import Response

LONGEST_WAIT = 30.0


class Retry:
    """Asks again after a retryable error, with exponential back-off and full jitter.

    The jitter is drawn from the coordinate's seed. A server's ``retry_after`` is honoured; a wait that
    would end past the deadline is not begun. A call whose text was already streamed is not repeated.

    Args:
        inner: the layer that makes one attempt.
        retries: attempts after the first.
        backoff: seconds; the k-th wait is uniform in ``[0, backoff * 2**k]``, at most 30 s.
    """

    def __init__(self, inner: Layer, *, retries: int = 4, backoff: float = 0.5) -> None:
        self.inner = inner
        self.retries = retries
        self.backoff = backoff

    def handle(self, call: Call) -> Response:
        random: Random | None = None
        attempt = 0
        while True:
            call.check_open()
            call.sent = False
            try:
                return self.inner.handle(call)
            except ModelError as error:
                failure = error
            if not failure.retryable or call.spoken or attempt == self.retries:
                break
            random = random or _random(call)
            wait = self._wait(attempt, failure, random)
            if wait >= call.deadline.remaining():
                raise _too_late(call, attempt + 1, wait, failure)
            time.sleep(max(0.0, min(wait, call.budget_left())))
            attempt += 1
        raise _final(failure, attempt + 1)

    def _wait(self, attempt: int, failure: ModelError, random: Random) -> float:
        wait = random.uniform(0, min(LONGEST_WAIT, self.backoff * 2.0**attempt))
        return wait if failure.retry_after is None else failure.retry_after + 0.1 * wait


def _random(call: Call) -> Random:
    """The source of jitter: the coordinate's seed in a run, else the process'."""
    if call.at is None or call.scope is None:
        return Random()
    return Random(call.at.seed(call.scope.seed))


def _too_late(call: Call, attempts: int, wait: float, failure: ModelError) -> ModelError:
    """The error when the next attempt would begin past the deadline."""
    tried = f"{attempts} attempt{'s' if attempts > 1 else ''}"
    if failure.retry_after is not None:
        text = f"the server asks to wait {failure.retry_after:g} s, longer than what is left of the deadline of {call.deadline.seconds:g} s"
        return _like(failure, f"{text} ({tried}; last: {shorten(str(failure))})")
    return DeadlineExceeded(
        f"no usable answer within {call.deadline.seconds:g} s ({tried}; the next in {wait:.1f} s; last: {shorten(str(failure))})",
        status=failure.status,
    )


def _final(failure: ModelError, attempts: int) -> ModelError:
    """The last error, saying how often was asked."""
    if attempts == 1:
        return failure
    return _like(failure, f"no usable answer in {attempts} attempts; last: {shorten(str(failure))}")


def _like(failure: ModelError, message: str) -> ModelError:
    """An error of the same class and details with another message."""
    error = copy(failure)
    error.args = (message,)
    return error
