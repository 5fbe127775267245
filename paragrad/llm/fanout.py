"""Fan-out: a list of requests becomes single calls, in program order, answered concurrently."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import copy_context
from dataclasses import replace
from typing import TYPE_CHECKING

from paragrad.context import Coordinate, Scope, current_scope
from paragrad.errors import BadRequest, ModelError
from paragrad.llm.layer import Call, Deadline, Layer, Listener
from paragrad.llm.types import Request, Response, Usage

if TYPE_CHECKING:
    from concurrent.futures import Future

Answer = Response | ModelError
Plan = list[Call] | BadRequest


class FanOut:
    """The outermost layer: takes coordinates in program order, then answers with at most ``width`` threads.

    A request for ``n`` choices becomes ``n`` calls (servers silently ignore ``n``; budgets and the
    record stay exact this way). ModelErrors come back as values; everything else (``Diverged``,
    ``BudgetExceeded``, ``LostContext``, a bug) is raised once the calls in flight have ended.
    """

    def __init__(self, inner: Layer, *, identity: str, deadline: float, width: int) -> None:
        self.inner = inner
        self.identity = identity
        self.deadline = deadline
        self.width = width

    def plan(self, requests: Sequence[Request], listener: Listener | None = None) -> list[Plan]:
        """The calls of every request. Takes one coordinate per request, in order, in the calling thread."""
        scope = current_scope()
        plans: list[Plan] = []
        for request in requests:
            at = scope.coordinate() if scope is not None else None
            calls = [self._call(request, scope, at, k, listener) for k in range(request.n)]
            plans.append(_refusal(request, calls) or calls)
        return plans

    def run(self, plans: list[Plan]) -> list[Answer]:
        """One answer per plan, in order."""
        calls = [call for plan in plans if isinstance(plan, list) for call in plan]
        answers = iter([self._one(calls[0])] if len(calls) == 1 else self._many(calls))
        return [plan if isinstance(plan, BadRequest) else _join([next(answers) for _ in plan]) for plan in plans]

    def _call(self, request: Request, scope: Scope | None, at: Coordinate | None, k: int, listener: Listener | None) -> Call:
        if request.n > 1:
            request = replace(request, n=1, seed=None if request.seed is None else request.seed + k)
            at = None if at is None else replace(at, ordinal=(*at.ordinal, k))
            sample = _sample(scope, at, k)
        else:
            sample = _sample(scope, at, 0)
        return Call(request, self.identity, Deadline(self.deadline), scope, at, sample, listener)

    def _one(self, call: Call) -> Answer:
        call.deadline = Deadline(self.deadline)
        try:
            response = self.inner.handle(call)
        except ModelError as error:
            return error
        if not call.spoken:
            call.hear(response.text)
        return response

    def _many(self, calls: list[Call]) -> list[Answer]:
        from concurrent.futures import ThreadPoolExecutor

        if not calls:
            return []
        with ThreadPoolExecutor(min(len(calls), self.width), thread_name_prefix="paragrad-llm") as pool:
            futures: list[Future[Answer]] = [pool.submit(copy_context().run, self._one, call) for call in calls]
            _stop_after_first_failure(futures)
        for future in futures:
            if not future.cancelled() and (error := future.exception()) is not None:
                raise error
        return [future.result() for future in futures]


def _stop_after_first_failure(futures: list[Future[Answer]]) -> None:
    """Wait for all; once one raises, those not yet started are never started."""
    from concurrent.futures import FIRST_EXCEPTION, wait

    try:
        wait(futures, return_when=FIRST_EXCEPTION)
    finally:
        if any(not future.done() for future in futures):
            for future in futures:
                future.cancel()


def _refusal(request: Request, calls: list[Call]) -> BadRequest | None:
    """Why this request can never be sent, or None."""
    if request.n < 1:
        return BadRequest(f"a request asks for n={request.n} choices; write n=1 or more")
    if not request.messages:
        return BadRequest("a request has no messages; write Request([{'role': 'user', 'content': '...'}])")
    try:
        calls[0].digest()
    except UnicodeEncodeError as error:
        return BadRequest(f"a request's text holds a lone surrogate at position {error.start}; remove it: it is no character")
    except (TypeError, ValueError, RecursionError) as error:
        return BadRequest(f"a request is not JSON-like ({error}); use str, numbers, bool, None, lists and dicts")
    return None


def _sample(scope: Scope | None, at: Coordinate | None, k: int) -> str:
    """Which of several answers to one request is wanted: the position inside the item, never the moment of arrival.

    Items and candidates share answers, repeats and several askings inside one item do not; an
    optimizer's askings are told apart by the whole coordinate and the run's seed.
    """
    if at is None or scope is None:
        return str(k)
    if at.phase == "optimizer":
        return f"{scope.seed}|{at}"
    return f"{at.repeat}/{'.'.join(map(str, at.ordinal))}" if at.ordinal not in ((), (0,)) else str(at.repeat)


def _join(answers: list[Answer]) -> Answer:
    """One answer from the ``n`` calls of one request."""
    first = answers[0]
    failed = next((answer for answer in answers if isinstance(answer, ModelError)), None)
    if failed is not None:
        return failed
    if isinstance(first, ModelError) or len(answers) == 1:
        return first
    parts = [answer for answer in answers if isinstance(answer, Response)]
    dollars = [part.usage.usd for part in parts]
    usd = None if None in dollars else sum(cost for cost in dollars if cost is not None)
    usage = Usage(sum(part.usage.input_tokens for part in parts), sum(part.usage.output_tokens for part in parts), usd)
    return replace(first, texts=tuple(part.text for part in parts), usage=usage, raw={"choices": [part.raw for part in parts]})
