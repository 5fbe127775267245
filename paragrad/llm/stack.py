"""stack: a bare backend becomes a model that can be trusted with a run.

Outside in: fan-out under one in-flight limit, journal, cache with single flight, retry, ledger,
limiter, wire. Journal and ledger are those of the scope a call is made in; outside a run there are none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from paragrad.errors import ModelError, UsageError
from paragrad.llm.cache import Cached, check_mode
from paragrad.llm.fanout import FanOut
from paragrad.llm.hedge import Hedged
from paragrad.llm.journaled import Journaled
from paragrad.llm.layer import Layer, Wire
from paragrad.llm.ledger import Ledgered
from paragrad.llm.limiter import WIDEST_WINDOW, Limiter
from paragrad.llm.prices import Price
from paragrad.llm.retry import Retry
from paragrad.llm.stream import Stream
from paragrad.llm.types import Request, Response
from paragrad.protocols.model import LanguageModel

_FIELDS = frozenset(field.name for field in fields(Request)) - {"messages", "extra"}


class Stacked:
    """A language model with everything around it.

    Attributes:
        name: "provider:model", for people.
        identity: provider, model and host, for digests; never a key.
        price: what a token costs at most, or None when that is unknown.
        wire: the backend itself.
        defaults: request fields used where a request does not give them.
    """

    def __init__(
        self, wire: LanguageModel, layers: Layer, *, deadline: float, width: int, price: Price | None, defaults: Mapping[str, Any]
    ) -> None:
        self.wire = wire
        self.name: str = getattr(wire, "name", type(wire).__name__)
        self.identity: str = getattr(wire, "identity", self.name)
        self.price = price
        self.defaults = dict(defaults)
        self._out = FanOut(layers, identity=self.identity, deadline=deadline, width=width)

    def __repr__(self) -> str:
        return f"<model {self.identity}>"

    def __deepcopy__(self, memo: dict[int, Any]) -> Stacked:
        """A copy of a program shares its model: its limits are the account's, not the copy's."""
        return self

    def complete(self, requests: Sequence[Request], /) -> list[Response | ModelError]:
        """One answer or ModelError per request, in order; many at a time.

        Raises:
            Diverged, BudgetExceeded, LostContext: what concerns the run rather than one request.
        """
        return self._out.run(self._out.plan(self._ready(requests)))

    async def acomplete(self, requests: Sequence[Request], /) -> list[Response | ModelError]:
        """The same without blocking the event loop."""
        import asyncio

        plans = self._out.plan(self._ready(requests))  # coordinates in program order, before any switch of tasks
        return await asyncio.to_thread(self._out.run, plans)

    def stream(self, request: Request | str, /, **options: Any) -> Stream:
        """The answer to one request, piece by piece; ``.response`` after the last piece."""
        stream = Stream()
        (plan,) = self._out.plan(self._ready([_request(request, options)]), stream.hear)
        return stream.start(lambda: self._out.run([plan])[0])

    def __call__(self, text: str | Sequence[Mapping[str, Any]], /, **options: Any) -> str:
        """The text of the answer to one message (or list of messages).

        Raises:
            ModelError: there is no answer.
        """
        (answer,) = self.complete([_request(text, options)])
        if isinstance(answer, ModelError):
            raise answer
        return answer.text

    def close(self) -> None:
        """Close the backend's connections; the model opens them again when it is used again."""
        close = getattr(self.wire, "close", None)
        if close is not None:
            close()

    def _ready(self, requests: Sequence[Request]) -> list[Request]:
        """The requests with this model's defaults."""
        for request in requests:
            if not isinstance(request, Request):
                raise TypeError(
                    f"complete() takes pg.llm.Request, not {type(request).__name__}; for a text call it: model({str(request)[:30]!r})"
                )
        return [self._with_defaults(request) for request in requests] if self.defaults else list(requests)

    def _with_defaults(self, request: Request) -> Request:
        given = {name: value for name, value in self.defaults.items() if name in _FIELDS and getattr(request, name) in (None, ())}
        extra = {name: value for name, value in self.defaults.items() if name not in _FIELDS}
        return replace(request, **given, extra={**extra, **request.extra})


def stack(
    wire: LanguageModel,
    *,
    deadline: float = 60.0,
    retries: int = 4,
    backoff: float = 0.5,
    concurrency: int | None = None,
    per_minute: float | None = None,
    price: Price | tuple[float, float] | None = None,
    cache: bool | str | Path | None = True,
    hedge: float | None = None,
    needs_budget: str | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> Stacked:
    """A model from a backend.

    Args:
        wire: ``complete(requests)``, one attempt each.
        deadline: seconds for one request, retries included; waiting in this process' own queue is not counted.
        retries: attempts after the first, for retryable errors.
        backoff: seconds, the scale of the waits between attempts.
        concurrency: requests in flight at most; None adapts to the server's 429 answers.
        per_minute: requests per minute at most.
        price: dollars per million tokens (input, output); None: the backend's own, if it has one.
        cache: True or a cache mode (home folder), a path, False or None for no cache. True leaves out
            backends whose answers no key can name (``cacheable = False``).
        hedge: seconds after which an unanswered call is asked a second time; both are paid for. None: never.
        needs_budget: a message: refuse calls outside a budget with it.
        defaults: request fields and extra options for every request.
    """
    _check(wire, deadline=deadline, retries=retries, concurrency=concurrency, per_minute=per_minute, hedge=hedge)
    known = price if price is not None else getattr(wire, "price", None)
    cost = Price.of_pair(known) if known is not None else None
    layers: Layer = Limiter(Wire(wire), concurrency=concurrency, per_minute=per_minute)
    layers = Ledgered(layers, price=cost, needs_budget=needs_budget)
    layers = Retry(Hedged(layers, hedge) if hedge is not None else layers, retries=retries, backoff=backoff)
    layers = Journaled(_cached(layers, wire, cache))
    return Stacked(wire, layers, deadline=deadline, width=concurrency or WIDEST_WINDOW, price=cost, defaults=defaults or {})


def _cached(inner: Layer, wire: LanguageModel, cache: bool | str | Path | None) -> Layer:
    """The cache layer, where one is wanted and can be right."""
    if cache is None or cache is False:
        return inner
    if cache is True:
        return Cached(inner) if getattr(wire, "cacheable", hasattr(wire, "identity")) else inner
    if isinstance(cache, str) and cache in ("off", "read-write", "replay-only", "refresh"):
        return Cached(inner, mode=check_mode(cache))
    return Cached(inner, path=cache)


def _check(wire: LanguageModel, **limits: float | None) -> None:
    if isinstance(wire, Stacked):
        raise UsageError(f"{wire!r} is stacked already; stack its .wire, or connect again with other options")
    if not isinstance(wire, LanguageModel):
        raise UsageError(f"{wire!r:.80} is no model backend: it has no complete(requests)")
    for name, value in limits.items():
        above = -1 if name == "retries" else 0
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float)) or not value > above):
            raise UsageError(f"{name}={value!r}: write a number above {above}" + ("" if name in ("deadline", "retries") else ", or None"))


def _request(text: Request | str | Sequence[Mapping[str, Any]], options: Mapping[str, Any]) -> Request:
    """A Request from what people write."""
    extra = {name: value for name, value in options.items() if name not in _FIELDS}
    given = {name: value for name, value in options.items() if name in _FIELDS}
    if isinstance(text, Request):
        return replace(text, **given, extra={**text.extra, **extra})
    messages = [{"role": "user", "content": text}] if isinstance(text, str) else list(text)
    return Request(messages, **given, extra=extra)
