"""One HTTP exchange of a wrapped client on its way through the stack: what is sent, and what came back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from typing import Any

from paragrad.errors import BadResponse, DeadlineExceeded, LostContext, NotConnected, ServerFailed
from paragrad.llm.secrets import shorten
from paragrad.llm.wrap_protocols import Protocol
from paragrad.llm.wrap_usage import with_usage

LARGEST_BODY = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Received:
    """A whole HTTP answer."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def streamed(self) -> bool:
        """Whether it is an event stream."""
        return "text/event-stream" in self.headers.get("content-type", "")


@dataclass
class Exchange:
    """One request, sent as often as the stack asks.

    Attributes:
        library: ``httpx`` or ``httpx2``.
        http: the user's own HTTP client.
        request: the HTTP request as the SDK built it.
        body: its JSON.
        loop: the event loop of an async client, None for a plain one.
        last: what came back in the latest attempt that had an answer.
        counted: whether the request was changed to ask for the usage of a stream.
    """

    library: Any
    http: Any
    request: Any
    body: Mapping[str, Any]
    protocol: Protocol
    where: str
    loop: asyncio.AbstractEventLoop | None = None
    last: Received | None = None
    cancelled: bool = False
    counted: bool = False
    _future: Future[Received] | None = field(default=None, repr=False)

    def send(self, seconds: float) -> Received:
        """One attempt.

        Raises:
            ModelError: the connection failed, or took too long.
            LostContext: the program has cancelled the call.
        """
        self.last = None
        request = with_usage(self.library, self.request, self.body) if self.counted else self.request
        try:
            self.last = self._plain(request, seconds) if self.loop is None else self._in_loop(self.loop, request, seconds)
        except (TimeoutError, self.library.TimeoutException):
            error = DeadlineExceeded(f"{self.where} gave no complete answer in time")
            error.retryable = True  # the client's own time-out of one attempt; the whole call's deadline is kept by the stack
            raise error from None
        except self.library.ConnectError as error:
            raise NotConnected(f"cannot connect to {self.where}: {shorten(str(error))}") from None
        except (self.library.HTTPError, self.library.StreamError, OSError) as error:
            raise ServerFailed(f"the connection to {self.where} broke: {type(error).__name__}: {shorten(str(error))}") from None
        if self.counted and self.last.status == 400 and b"stream_options" in self.last.content:
            self.counted = False
            return self.send(seconds)
        return self.last

    def cancel(self) -> None:
        """The program does not want it any more."""
        self.cancelled = True
        if self._future is not None:
            self._future.cancel()

    def _plain(self, request: Any, seconds: float) -> Received:
        end = time.monotonic() + seconds
        _shorten_timeouts(request, seconds)
        response = self.http.send(request, stream=True)
        try:
            content = bytearray()
            for chunk in response.iter_bytes():
                content += chunk
                self._check(content, end)
        finally:
            response.close()
        return Received(response.status_code, response.headers, bytes(content))

    def _in_loop(self, loop: asyncio.AbstractEventLoop, request: Any, seconds: float) -> Received:
        if self.cancelled:
            raise LostContext(f"the program cancelled its call of {self.where}")
        self._future = asyncio.run_coroutine_threadsafe(self._async(request, seconds), loop)
        try:
            return self._future.result()
        except CancelledError:
            raise LostContext(f"the program cancelled its call of {self.where}") from None

    async def _async(self, request: Any, seconds: float) -> Received:
        async with asyncio.timeout(seconds):
            response = await self.http.send(request, stream=True)
            try:
                content = bytearray()
                async for chunk in response.aiter_bytes():
                    content += chunk
                    self._check(content, float("inf"))
            finally:
                await response.aclose()
            return Received(response.status_code, response.headers, bytes(content))

    def _check(self, content: bytearray, end: float) -> None:
        if len(content) > LARGEST_BODY:
            raise BadResponse(f"{self.where} sent a body of more than {LARGEST_BODY // 2**20} MiB")
        if time.monotonic() > end:
            raise TimeoutError


def _shorten_timeouts(request: Any, seconds: float) -> None:
    """No single wait may be longer than what is left: a plain socket cannot be cut off from outside."""
    given = request.extensions.get("timeout") or {}
    names = ("connect", "read", "write", "pool")
    longest = {name: seconds if given.get(name) is None else min(float(given[name]), seconds) for name in names}
    request.extensions["timeout"] = {name: max(0.001, value) for name, value in longest.items()}
