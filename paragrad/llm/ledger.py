"""Ledger layer: every attempt is reserved with its worst case before it is made, and settled after."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

from paragrad.errors import BudgetExceeded, DeadlineExceeded, ModelError, NotConnected
from paragrad.llm.inline import inline_data, without_data
from paragrad.llm.layer import Call, Layer
from paragrad.llm.prices import Price
from paragrad.llm.types import Request, Response, Usage
from paragrad.protocols.journal import Ledger

IMAGE_TOKENS = 8192  # more than any provider bills for one inlined image
MESSAGE_TOKENS = 16  # a chat template's own tokens per message

_HOLDING: ContextVar[bool] = ContextVar("paragrad_holding_reservation", default=False)


def holding_reservation() -> bool:
    """Whether this context already holds a reservation (a backend that itself asks a model); it must not wait for another."""
    return _HOLDING.get()


class Ledgered:
    """Reserves, asks, settles, in the scope's ledger; writes the dollars of a priced answer into its usage.

    An attempt that failed after it may have reached a paying server (a time-out, a broken body) is
    settled at its worst case; one that the server refused, or that was never sent, costs nothing.
    """

    def __init__(self, inner: Layer, *, price: Price | None = None, needs_budget: str | None = None) -> None:
        self.inner = inner
        self.price = price
        self.needs_budget = needs_budget

    def handle(self, call: Call) -> Response:
        call.check_open()
        ledger = call.scope.ledger if call.scope is not None else None
        if ledger is None:
            if self.needs_budget:
                raise BudgetExceeded(self.needs_budget)
            return self._attempt(call, None, None)
        call.request = self._held(call.request, ledger)
        return self._reserved(call, ledger, *self._worst(call.request))

    def _held(self, request: Request, ledger: Any) -> Request:
        """The request with a longest answer, where a limit needs one and the ledger names one."""
        longest = getattr(ledger, "answer_tokens", None)
        if request.max_tokens is not None or longest is None:
            return request
        dollars = ledger.budget.usd is not None and self.price is not None and not self.price.free
        return replace(request, max_tokens=longest) if dollars or ledger.budget.tokens is not None else request

    def _worst(self, request: Request) -> tuple[int | None, float | None]:
        """Tokens and dollars one attempt takes at most; the prompt is measured only where the answer depends on it."""
        price, longest = self.price, request.max_tokens
        counts = longest is not None or (price is not None and not price.free)
        prompt = worst_input(request) if counts else None
        tokens = None if prompt is None or longest is None else prompt + longest
        return tokens, None if price is None else price.worst(prompt, longest)

    def _reserved(self, call: Call, ledger: Ledger, tokens: int | None, worst: float | None) -> Response:
        reservation = ledger.reserve(phase=call.phase, tokens=tokens, usd=worst)
        calls, before, dollars = call.spent.calls, call.spent.tokens, call.spent.usd
        token = _HOLDING.set(True)
        try:
            return self._attempt(call, tokens, worst)
        except DeadlineExceeded as error:
            if call.budget_left() > 0:
                raise
            raise BudgetExceeded(f"the budget's seconds are over while a model call was under way ({error})") from None
        finally:
            _HOLDING.reset(token)
            if call.spent.calls == calls:  # neither an answer nor a ModelError: a bug, or an interrupt
                call.spent.add(*((tokens or 0, worst) if call.sent else self._nothing()))
            usd = None if call.spent.usd is None else call.spent.usd - (dollars or 0.0)
            ledger.settle(reservation, tokens=call.spent.tokens - before, usd=usd)

    def _attempt(self, call: Call, tokens: int | None, worst: float | None) -> Response:
        try:
            response = self.inner.handle(call)
        except ModelError as error:
            call.spent.add(*((tokens or 0, worst) if call.sent and _may_be_billed(error) else self._nothing()))
            raise
        usage = response.usage
        if usage.tokens == 0:
            call.spent.add(*_unreported(call.request, response, tokens, self.price))
            return response
        usd = usage.usd if self.price is None else self.price.of(usage)
        call.spent.add(usage.tokens, usd)
        return response if usd == usage.usd else replace(response, usage=Usage(usage.input_tokens, usage.output_tokens, usd))

    def _nothing(self) -> tuple[int, float | None]:
        """The cost of an attempt that costs nothing; no dollars where there is no price."""
        return 0, None if self.price is None else 0.0


def worst_input(request: Request) -> int | None:
    """An upper bound of the prompt's tokens: its bytes (a byte-level tokenizer never makes more), None when unknown."""
    inline = 0
    for message in request.messages:
        content = message.get("content")
        for part in content if isinstance(content, (list, tuple)) else ():
            kind = part.get("type") if isinstance(part, Mapping) else None
            if kind in (None, "text"):
                continue
            if not _is_inline(part):
                return None
            inline += IMAGE_TOKENS if kind == "image_url" else len(inline_data(part) or "")
    parts: list[Any] = [list(without_data(request.messages)), list(request.tools), request.schema]
    text = json.dumps(parts, ensure_ascii=False, separators=(",", ":"), default=str)
    return len(text.encode()) + MESSAGE_TOKENS * len(request.messages) + inline


def _is_inline(part: Mapping[str, Any]) -> bool:
    """Whether an image or sound is in the request itself; one behind a link has no known size."""
    if part.get("type") == "image_url":
        link = part.get("image_url")
        address = link.get("url", "") if isinstance(link, Mapping) else link
        return isinstance(address, str) and address.startswith("data:")
    return part.get("type") == "input_audio"


def _may_be_billed(error: ModelError) -> bool:
    """Whether a provider may charge for an attempt that ended this way."""
    refused = error.status is not None and error.status >= 400
    return not refused and not isinstance(error, NotConnected)


def _unreported(request: Request, response: Response, tokens: int | None, price: Price | None) -> tuple[int, float | None]:
    """What to charge for an answer without usage: the worst case, or a bound from its bytes."""
    prompt = worst_input(request) or 0
    output = request.max_tokens if request.max_tokens is not None else len(response.text.encode())
    total = tokens if tokens is not None else prompt + output
    return total, None if price is None else price.of(Usage(prompt, output))
