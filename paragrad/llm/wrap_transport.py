"""Transports: the one place where a wrapped client differs, below everything its SDK does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextvars import copy_context
from typing import Any

from paragrad.errors import ModelError
from paragrad.llm.types import Response
from paragrad.llm.wrap_errors import KNOWN, Carried
from paragrad.llm.wrap_exchange import Exchange
from paragrad.llm.wrap_private import PrivateLoop
from paragrad.llm.wrap_recorder import Recorder

_NOT_KEPT = frozenset({"content-encoding", "content-length", "transfer-encoding"})
_NO_RETRY = {"x-should-retry": "false"}  # the SDKs obey it: the stack has retried already


class SyncTransport:
    """Sends through the user's ``http`` client, or through the recorder."""

    def __init__(self, recorder: Recorder, http: Any) -> None:
        self.recorder = recorder
        self.http = http

    def handle_request(self, request: Any) -> Any:
        """The HTTP answer."""
        if not self.recorder.listens():
            return self.http.send(request, stream=True)
        try:
            exchange = self.recorder.exchange(self.http, request)
            answer = None if exchange is None else self.recorder.answer(exchange, self.recorder.plan(exchange))
        except Exception as error:  # noqa: BLE001  whatever it is, the SDK must not retry it
            raise Carried(error, request) from None
        if exchange is None or answer is None:
            return self.http.send(request, stream=True)
        return _answered(exchange, answer)

    def close(self) -> None:
        """Close the user's client too."""
        self.recorder.close()
        self.http.close()

    def __enter__(self) -> SyncTransport:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()


class AsyncTransport:
    """The same for async clients: a thread waits, a loop of our own sends."""

    def __init__(self, recorder: Recorder, http: Any) -> None:
        self.recorder = recorder
        self.http = http
        self.private = PrivateLoop(http)

    async def handle_async_request(self, request: Any) -> Any:
        """The HTTP answer."""
        if not self.recorder.listens():
            return await self.http.send(request, stream=True)
        try:
            return await self._recorded(request)
        except Exception as error:
            if isinstance(error, self.recorder.library.HTTPError):  # of a request that was passed on: the SDK's own business
                raise
            raise Carried(error, request) from None

    async def _recorded(self, request: Any) -> Any:
        loop, http = self.private.ready()
        exchange = self.recorder.exchange(http, request)
        if exchange is None:
            passed = asyncio.run_coroutine_threadsafe(_whole(http, request), loop)
            return await asyncio.wrap_future(passed)
        exchange.loop = loop
        planned = self.recorder.plan(exchange)
        here = asyncio.get_running_loop()
        waiting = here.run_in_executor(self.recorder.pool(), copy_context().run, self.recorder.answer, exchange, planned)
        try:
            return _answered(exchange, await waiting)
        except asyncio.CancelledError:
            exchange.cancel()
            raise

    async def aclose(self) -> None:
        """Close the user's client too."""
        self.recorder.close()
        await asyncio.to_thread(self.private.close)
        await self.http.aclose()

    async def __aenter__(self) -> AsyncTransport:
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self.aclose()


async def _whole(http: Any, request: Any) -> Any:
    """A passed-on request's answer, read in the loop that sent it."""
    response = await http.send(request, stream=True)
    try:
        await response.aread()
    finally:
        await response.aclose()
    return response


def _answered(exchange: Exchange, answer: Response | ModelError) -> Any:
    """The HTTP answer that the SDK reads: the server's, or the one on record.

    Raises:
        Carried: there was no answer over HTTP.
    """
    if isinstance(answer, ModelError):
        return _refused(exchange, answer)
    raw = dict(answer.raw or {})
    kept = {} if exchange.last is None else {name: value for name, value in exchange.last.headers.items() if name not in _NOT_KEPT}
    if set(raw) == {"stream"}:
        return _http(exchange, 200, {**kept, "content-type": "text/event-stream"}, str(raw["stream"]).encode())
    return _http(exchange, 200, {**kept, "content-type": "application/json"}, json.dumps(raw, ensure_ascii=False).encode())


def _http(exchange: Exchange, status: int, headers: Mapping[str, str], content: bytes, **more: Any) -> Any:
    library = exchange.library
    return library.Response(status, headers=headers, stream=library.ByteStream(content), **more)


def _refused(exchange: Exchange, error: ModelError) -> Any:
    """An error answer; made up where it comes from a record, or from another call that asked the same."""
    if error.status is None:
        raise Carried(error, exchange.request)
    last = exchange.last
    if last is not None and last.status == error.status:
        headers = {name: value for name, value in last.headers.items() if name not in _NOT_KEPT}
        content = last.content
    else:
        headers, content = {"content-type": "application/json"}, json.dumps({"error": {"message": str(error)}}).encode()
    return _http(exchange, error.status, {**headers, **_NO_RETRY}, content, extensions={KNOWN: error})
