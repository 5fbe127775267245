"""What the layers of a model stack share: one call on its way to the wire.

A layer is anything with ``handle(call) -> Response`` that raises a ``ModelError`` when there is no
usable answer. Only the outermost layer (:mod:`paragrad.llm.fanout`) knows lists.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Protocol

from paragrad.context import Coordinate, Scope
from paragrad.errors import DeadlineExceeded, LostContext, ModelError
from paragrad.llm.inline import without_data
from paragrad.llm.secrets import without_secrets
from paragrad.llm.types import Request, Response, digest_of
from paragrad.protocols.model import LanguageModel

Listener = Callable[[str], None]


class Deadline:
    """Seconds a call may still take. Time spent in this process' own queues is given back with ``extend``."""

    __slots__ = ("_end", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        return self._end - time.monotonic()

    def extend(self, seconds: float) -> None:
        self._end += seconds


@dataclass(slots=True)
class Spent:
    """What one call took, every attempt included."""

    calls: int = 0
    tokens: int = 0
    usd: float | None = None

    def add(self, tokens: int, usd: float | None) -> None:
        self.calls += 1
        self.tokens += tokens
        if usd is not None:
            self.usd = (self.usd or 0.0) + usd


@dataclass(slots=True)
class Call:
    """One request on its way.

    Attributes:
        request: asks for exactly one choice.
        identity: the model's name in digests.
        at: the effect's coordinate, None outside a run.
        sample: which of several answers to the same request this is (the cache's last key part).
        listener: told every piece of text as it arrives, or None.
        sent: whether the current attempt reached the wire.
        spoken: whether the listener was told anything; such a call cannot be retried.
    """

    request: Request
    identity: str
    deadline: Deadline
    scope: Scope | None = None
    at: Coordinate | None = None
    sample: str = "0"
    listener: Listener | None = None
    spent: Spent = field(default_factory=Spent)
    sent: bool = False
    spoken: bool = False
    _public: Request | None = None
    _canonical: str | None = None
    _digest: str | None = None

    def digest(self, *more: str) -> str:
        """The name of this request to this model, free of headers and keys."""
        if self._canonical is None:
            self._canonical = self.public_request().canonical()
        if more:
            return digest_of(self._canonical, self.identity, *more)
        if self._digest is None:
            self._digest = digest_of(self._canonical, self.identity)
        return self._digest

    def public_request(self) -> Request:
        """The request as records may keep it: without headers and keys, with inline data named by its digest."""
        if self._public is None:
            request = self.request
            messages = without_data(request.messages)
            changed = request.extra or messages is not request.messages
            self._public = replace(request, messages=messages, extra=without_secrets(request.extra)) if changed else request
        return self._public

    @property
    def phase(self) -> str:
        return self.at.phase if self.at is not None else "task"

    def hear(self, text: str) -> None:
        """Pass a piece of text to the listener."""
        if self.listener is not None and text:
            self.spoken = True
            self.listener(text)

    def check_open(self) -> None:
        """Refuse effects of an abandoned item.

        Raises:
            LostContext: the item's deadline has passed.
        """
        if self.scope is not None and self.scope.closed:
            raise LostContext(f"item {self.scope.at} was abandoned after its deadline; its late model call is refused")

    def budget_left(self) -> float:
        """Seconds until the run's budget of seconds ends; infinite without one."""
        ledger = self.scope.ledger if self.scope is not None else None
        left: Callable[[], float] | None = getattr(ledger, "seconds_left", None)
        return left() if left is not None else float("inf")

    def time_left(self) -> float:
        """Seconds this call may still take: its deadline or the budget's end."""
        return min(self.deadline.remaining(), self.budget_left())


class Layer(Protocol):
    """One step of a stack."""

    def handle(self, call: Call) -> Response:
        """The answer, or a ModelError raised."""
        ...


_CALL: ContextVar[Call | None] = ContextVar("paragrad_call", default=None)


def current_call() -> Call | None:
    """The call this wire is asked to answer; its deadline, coordinate and listener. None when asked directly."""
    return _CALL.get()


def seconds_allowed(default: float) -> float:
    """Seconds a wire may take now: what the current call has left, else ``default``."""
    call = _CALL.get()
    return default if call is None else max(0.0, call.time_left())


class Wire:
    """The innermost layer: hands one request to a backend."""

    def __init__(self, model: LanguageModel) -> None:
        self.model = model

    def handle(self, call: Call) -> Response:
        if call.time_left() <= 0:
            raise DeadlineExceeded(f"the deadline of {call.deadline.seconds:g} s passed before the request could be sent")
        call.sent = True
        token = _CALL.set(call)
        try:
            (answer,) = self.model.complete([call.request])
        finally:
            _CALL.reset(token)
        if isinstance(answer, ModelError):
            raise answer
        response: Response = answer
        return response
