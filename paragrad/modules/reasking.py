"""Asking again: where a block says so, a reply that cannot be read is asked for again, with its error.

By default it is not: what a program answers is its output, and a reply that cannot be read is worth feedback.
A judge's reply is worth nothing else, so it gets another chance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from paragrad.llm import Request, Response
from paragrad.llm.schema import again
from paragrad.trace.failure import Failure

_ATTEMPTS: ContextVar[int] = ContextVar("paragrad_attempts", default=1)


@contextmanager
def reasking(attempts: int) -> Iterator[None]:
    """Ask up to ``attempts`` times for a reply that can be read, in this block."""
    token = _ATTEMPTS.set(max(1, attempts))
    try:
        yield
    finally:
        _ATTEMPTS.reset(token)


def answered(
    request: Request, ask: Callable[[Request], Response], read: Callable[[str], tuple[Any, Failure | None]]
) -> tuple[Response, Any, Failure | None]:
    """The reply, its value, and why it has none."""
    asked = request
    for left in range(_ATTEMPTS.get() - 1, -1, -1):
        response = ask(asked)
        value, failure = read(response.text)
        if failure is None or not left:
            break
        asked = again(request, response, failure.message)
    return response, value, failure
