"""Failures of an HTTP server, as our classes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from paragrad.errors import (
    AuthenticationFailed,
    BadRequest,
    BadResponse,
    DeadlineExceeded,
    ModelError,
    NotConnected,
    RateLimited,
    ServerFailed,
)
from paragrad.llm.secrets import shorten

_OUT_OF_MONEY = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "credit_balance_too_low"})
_LONGEST_RETRY_AFTER = 86_400.0


def from_status(status: int, body: Any, headers: Mapping[str, str], where: str, *, begins: str = "/chat/completions") -> ModelError:
    """The error of an HTTP answer that is no success.

    Args:
        status: HTTP status.
        body: the body, parsed if it was JSON, else its text.
        headers: response headers; only ``retry-after``, ``retry-after-ms`` and ``location`` are read.
        where: model and host, for the message.
        begins: the path that follows a right base URL, for the message of a 404.
    """
    detail = _detail(body)
    said = f"{where} answered {status}" + (f": {detail}" if detail else "")
    if status in (401, 403):
        return AuthenticationFailed(f"{said}; check the key and what it may use", status=status)
    if status == 402 or (status == 429 and _code(body) in _OUT_OF_MONEY):
        error = RateLimited(f"{said}; the account has nothing left to spend", status=status)
        error.retryable = False
        return error
    if status == 429:
        return RateLimited(said, status=status, retry_after=retry_after(headers))
    if status in (408, 409, 425) or status >= 500:
        return ServerFailed(said, status=status, retry_after=retry_after(headers))
    if 300 <= status < 400:
        target = shorten(headers.get("location", "elsewhere"), 120)
        return NotConnected(f"{where} redirects to {target}; redirects are not followed, write that address as base_url", status=status)
    if status == 404:
        return NotConnected(f"{said}; check the model's name and that base_url ends where {begins} begins", status=status)
    return BadRequest(said, status=status)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds the server asks to wait: ``retry-after-ms``, or ``retry-after`` in seconds or as a date."""
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            seconds = float(value) * scale
        except ValueError:
            seconds = _until(value)
        if seconds >= 0:
            return min(seconds, _LONGEST_RETRY_AFTER)
    return None


def _until(date: str) -> float:
    """Seconds until an HTTP date; negative when it is none."""
    from datetime import UTC, datetime
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(date)
    except (TypeError, ValueError):
        return -1.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def parsed_or_text(text: str) -> Any:
    """An error body as JSON if it is some, else its text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def from_error_object(error: Any, where: str) -> ModelError:
    """The error of a body that is a success by status but holds an ``error`` object."""
    code = error.get("code") if isinstance(error, Mapping) else None
    if isinstance(code, int) and not isinstance(code, bool) and 400 <= code < 600:
        return from_status(code, {"error": error}, {}, where)
    return BadResponse(f"{where} answered 200 with an error in its body: {_detail({'error': error}) or 'without a message'}")


def timed_out(seconds: float, where: str) -> DeadlineExceeded:
    """The error of a call that was cut off."""
    return DeadlineExceeded(f"{where} gave no complete answer within {seconds:.3g} s")


def broken(error: BaseException, where: str, *, known: bool) -> ModelError:
    """The error of a connection that failed. A server that never answered is one we are not connected to."""
    import httpx2

    reason = error if isinstance(error, httpx2.HTTPError) else error.__cause__ or error
    text = shorten(str(reason)) or type(reason).__name__
    if isinstance(reason, (httpx2.ConnectError, httpx2.UnsupportedProtocol, httpx2.InvalidURL, httpx2.ProxyError)) and not known:
        return NotConnected(f"cannot connect to {where}: {text}; is the server running, and is base_url right?")
    return ServerFailed(f"the connection to {where} broke: {type(reason).__name__}: {text}")


def _code(body: Any) -> str:
    error = body.get("error", body) if isinstance(body, Mapping) else None
    if not isinstance(error, Mapping):
        return ""
    return str(error.get("code") or error.get("type") or "")


def _detail(body: Any) -> str:
    """The server's own words, short."""
    if isinstance(body, Mapping):
        error = body.get("error", body)
        message = error.get("message") if isinstance(error, Mapping) else error
        return shorten(message if isinstance(message, str) else json.dumps(error, default=str))
    return shorten(str(body)) if body else ""
