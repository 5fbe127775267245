"""NativeWire: what the backends with a protocol of their own share: one POST per request, cut off at its deadline.

Plain HTTP, no SDK. A subclass says how a request is written, how an answer is read, and whose headers carry the key.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from threading import Lock
from typing import TYPE_CHECKING, Any, ClassVar

from paragrad.errors import BadRequest, BadResponse, ModelError
from paragrad.llm.address import checked_address
from paragrad.llm.layer import current_call, seconds_allowed
from paragrad.llm.loop import LoopThread
from paragrad.llm.openai_body import parse_json
from paragrad.llm.openai_errors import broken, from_status, parsed_or_text, timed_out
from paragrad.llm.providers import address
from paragrad.llm.secrets import Secret, shorten
from paragrad.llm.sse import EventReader
from paragrad.llm.types import Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from httpx2 import AsyncClient

LARGEST_BODY = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One HTTP request: path below the base URL, JSON body, headers beside the key's, how its events are read (None: unstreamed)."""

    path: str
    body: Mapping[str, Any]
    headers: Mapping[str, str]
    events: EventReader | None


class NativeWire:
    """A wire: one attempt per request, no retries, no cache; :func:`paragrad.llm.stack` adds those.

    Args:
        model: the model's name on that server.
        base_url: where the protocol's paths begin; None: the provider's own address.
        api_key: sent in a header, shown nowhere.
        headers: more headers for every request.
        deadline: seconds for a request that is asked directly, outside a stack.
    """

    cacheable = True
    provider: ClassVar[str]
    begins: ClassVar[str]  # where base_url must end, for a 404's message

    def __init__(
        self,
        model: str,
        base_url: str | None = None,
        *,
        api_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        deadline: float = 60.0,
    ) -> None:
        self.model = model
        self.base_url = (base_url or address(self.provider)).rstrip("/") + "/"
        self.host, self._local = checked_address(self.base_url)
        self.deadline = deadline
        self.name = f"{self.provider}:{model}"
        self.identity = f"{self.name}@{self.host}"
        self._key = Secret(api_key or "")
        self._headers = {**(headers or {})}
        self._loop = LoopThread()
        self._lock = Lock()
        self._client: AsyncClient | None = None
        self._generation = 0
        self._answered = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model!r}, {self.host!r})"

    # -- what a protocol says ------------------------------------------------------------------------
    def outgoing(self, request: Request, hear: Callable[[str], None] | None) -> Outgoing:
        """How ``request`` is sent, streamed when somebody hears.

        Raises:
            BadRequest: it cannot be said in this protocol.
        """
        raise NotImplementedError

    def read(self, body: Any, request: Request) -> Response:
        """The answer in a parsed body.

        Raises:
            ModelError: there is none.
        """
        raise NotImplementedError

    def key_headers(self, key: str) -> dict[str, str]:
        """The headers that carry the key."""
        raise NotImplementedError

    def failure(self, status: int, body: Any, headers: Mapping[str, str]) -> ModelError:
        """The error of an HTTP answer that is no success."""
        return from_status(status, body, headers, self.where, begins=self.begins)

    # -- one request ---------------------------------------------------------------------------------
    def complete(self, requests: list[Request], /) -> list[Response | ModelError]:
        """One answer or error per request, asked one after another."""
        return [self._complete(request) for request in requests]

    def close(self) -> None:
        """Close connections and stop the private thread."""
        self._loop.close()

    @property
    def where(self) -> str:
        """Model and host, for messages."""
        return f"{self.model} at {self.host}"

    def _complete(self, request: Request) -> Response | ModelError:
        try:
            answers = [self._ask(replace(request, n=1)) for _ in range(request.n)]
        except ModelError as error:
            error.args = tuple(self._key.redact(str(part)) for part in error.args)
            error.__cause__ = error.__context__ = None  # they may hold the request with its headers
            return error
        return answers[0] if len(answers) == 1 else replace(answers[0], texts=tuple(answer.text for answer in answers))

    def _ask(self, request: Request) -> Response:
        call = current_call()
        heard = call.hear if call is not None and call.listener is not None else None
        sent = self.outgoing(request, heard)
        client = self._connect()
        received = self._loop.run(self._receive(client, sent, seconds_allowed(self.deadline)))
        if isinstance(received, ModelError):
            raise received
        self._answered = True
        return self.read(received, request)

    async def _receive(self, client: AsyncClient, sent: Outgoing, seconds: float) -> Any:
        """The parsed body of a success, or the error; all foreign exceptions end here."""
        import asyncio

        import httpx2

        try:
            async with asyncio.timeout(seconds):
                return await self._exchange(client, sent)
        except ModelError as error:
            return error
        except (TimeoutError, httpx2.TimeoutException):
            return timed_out(seconds, self.where)
        except (httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL, OSError) as error:
            return broken(error, self.where, known=self._answered)

    async def _exchange(self, client: AsyncClient, sent: Outgoing) -> Any:
        headers = {**self._headers, **self.key_headers(self._key.reveal()), **sent.headers, "content-type": "application/json"}
        content = self._encoded(sent.body)
        async with client.stream("POST", self.base_url + sent.path, content=content, headers=headers) as response:
            if response.status_code // 100 != 2:
                self._answered = True
                text = (await self._all(response.aiter_bytes())).decode("utf-8", "replace")
                return self.failure(response.status_code, parsed_or_text(text), response.headers)
            if sent.events is None:
                return parse_json(await self._all(response.aiter_bytes()), self.where)
            async for chunk in response.aiter_bytes():
                sent.events.feed(chunk)
                if sent.events.finished:
                    break
            return json.loads(self._key.remove(json.dumps(sent.events.body(), ensure_ascii=False)))

    def _encoded(self, body: Mapping[str, Any]) -> bytes:
        try:
            return json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise BadRequest(
                f"a request to {self.where} is not JSON ({shorten(str(error), 80)}); use str, numbers, lists and dicts"
            ) from None

    async def _all(self, chunks: Any) -> bytes:
        """The whole body, up to a size no answer has, without our key: an echo of it must reach no record."""
        parts = bytearray()
        async for chunk in chunks:
            parts += chunk
            if len(parts) > LARGEST_BODY:
                raise BadResponse(f"{self.where} sent a body of more than {LARGEST_BODY // 2**20} MiB")
        data = bytes(parts)
        key = self._key.reveal().encode()
        return data.replace(key, b"[key]") if len(key) >= 8 else data

    # -- the client ----------------------------------------------------------------------------------
    def _connect(self) -> AsyncClient:
        """The HTTP client, made at first use and again after a fork."""
        self._loop.start()
        with self._lock:
            if self._client is None or self._generation != self._loop.generation:
                self._client = self._loop.run(self._make())
                self._generation = self._loop.generation
        return self._client

    async def _make(self) -> AsyncClient:
        import httpx2

        limits = httpx2.Limits(max_connections=1000, max_keepalive_connections=100)
        client = httpx2.AsyncClient(follow_redirects=False, trust_env=not self._local, timeout=None, limits=limits)
        self._loop.at_end(client.aclose)
        return client


def extra_body(request: Request) -> dict[str, Any]:
    """The options that are passed through: those that are no header, and ``extra_body``."""
    plain = {
        name: value
        for name, value in request.extra.items()
        if name not in ("extra_headers", "extra_body", "extra_query", "headers", "timeout")
    }
    return {**plain, **dict(request.extra.get("extra_body") or {})}
