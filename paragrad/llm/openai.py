"""OpenAICompatible: any server that speaks the chat completions protocol.

The ``openai`` SDK carries the bytes, with its retries and redirects off; what counts as an answer
is decided here (:mod:`paragrad.llm.openai_body`), and every call really ends at its deadline.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from threading import Lock
from typing import TYPE_CHECKING, Any

from paragrad.errors import BadRequest, BadResponse, ModelError
from paragrad.llm.address import checked_address
from paragrad.llm.layer import Call, current_call, seconds_allowed
from paragrad.llm.loop import LoopThread
from paragrad.llm.openai_body import parse_json, read_completion
from paragrad.llm.openai_errors import broken, from_status, parsed_or_text, timed_out
from paragrad.llm.openai_request import body_of, headers_of
from paragrad.llm.openai_stream import Events
from paragrad.llm.secrets import Secret
from paragrad.llm.types import Request, Response

if TYPE_CHECKING:
    from openai import AsyncOpenAI

LARGEST_BODY = 32 * 1024 * 1024
LIMIT_NAMES = ("max_tokens", "max_completion_tokens")
_UNKNOWN = re.compile(r"(?i)unsupported|not supported|unrecogni[sz]ed|unknown|unexpected|not permitted|instead")


class OpenAICompatible:
    """A wire: one attempt per request, no retries, no cache; :func:`paragrad.llm.stack` adds those.

    Args:
        model: the model's name on that server.
        base_url: where ``/chat/completions`` begins, e.g. ``"http://127.0.0.1:8000/v1"``.
        api_key: sent as a bearer token, shown nowhere.
        provider: the first half of the identity.
        headers: more headers for every request.
        deadline: seconds for a request that is asked directly, outside a stack.
        limit_name: what the server calls the limit of output tokens; learnt from its refusal otherwise.
    """

    cacheable = True

    def __init__(
        self,
        model: str,
        base_url: str,
        *,
        api_key: str | None = None,
        provider: str = "http",
        headers: Mapping[str, str] | None = None,
        deadline: float = 60.0,
        limit_name: str = "max_tokens",
    ) -> None:
        self.model = model
        self.base_url = base_url
        self.host, self._local = checked_address(base_url)
        self.deadline = deadline
        self.name = f"{provider}:{model}"
        self.identity = f"{provider}:{model}@{self.host}"
        self._key = Secret(api_key or "")
        self._headers = {**(headers or {})}
        self._limit_name = limit_name
        self._loop = LoopThread()
        self._lock = Lock()
        self._client: AsyncOpenAI | None = None
        self._generation = 0
        self._answered = False

    def __repr__(self) -> str:
        return f"OpenAICompatible({self.model!r}, {self.host!r})"

    def complete(self, requests: list[Request], /) -> list[Response | ModelError]:
        """One answer or error per request, asked one after another."""
        return [self._complete(request) for request in requests]

    def close(self) -> None:
        """Close connections and stop the private thread."""
        self._loop.close()

    # -- one request -------------------------------------------------------------------------------
    def _complete(self, request: Request) -> Response | ModelError:
        try:
            answer = self._ask(request)
            other = self._other_limit_name(request, answer)
            if other is not None:
                self._limit_name = other
                answer = self._ask(request)
        except ModelError as error:
            answer = error
        if isinstance(answer, ModelError):
            answer.args = tuple(self._key.redact(str(part)) for part in answer.args)
            answer.__cause__ = answer.__context__ = None  # they may hold the request with its headers
        return answer

    def _other_limit_name(self, request: Request, answer: Response | ModelError) -> str | None:
        """The other name for the token limit, when the server refused exactly this one."""
        refused = isinstance(answer, BadRequest) and request.max_tokens is not None
        if not refused or not re.search(rf"\b{self._limit_name}\b", str(answer)) or not _UNKNOWN.search(str(answer)):
            return None
        return next(name for name in LIMIT_NAMES if name != self._limit_name)

    def _ask(self, request: Request) -> Response | ModelError:
        call = current_call()
        body = body_of(request, self.model, limit_name=self._limit_name, stream=call is not None and call.listener is not None)
        client = self._connect()
        seconds = seconds_allowed(self.deadline)
        received = self._loop.run(self._receive(client, body, headers_of(request), seconds, call))
        if isinstance(received, ModelError):
            return received
        self._answered = True
        return read_completion(received, request, self._where)

    async def _receive(self, client: AsyncOpenAI, body: dict[str, Any], headers: dict[str, str], seconds: float, call: Call | None) -> Any:
        """The parsed body of a success, or the error; all foreign exceptions end here."""
        import asyncio

        import httpx2
        import openai

        try:
            async with asyncio.timeout(seconds):
                return await self._exchange(client, body, headers, seconds, call)
        except ModelError as error:
            return error
        except openai.APIStatusError as error:
            self._answered = True
            response = error.response
            return from_status(response.status_code, parsed_or_text(self._key.remove(response.text)), response.headers, self._where)
        except (TimeoutError, openai.APITimeoutError, httpx2.TimeoutException):
            return timed_out(seconds, self._where)
        except (openai.OpenAIError, httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL, OSError) as error:
            return broken(error, self._where, known=self._answered)

    async def _exchange(self, client: AsyncOpenAI, body: dict[str, Any], headers: dict[str, str], seconds: float, call: Call | None) -> Any:
        create = client.chat.completions.with_streaming_response.create
        rest = {name: value for name, value in body.items() if name not in ("model", "messages", "stream")}
        stream = bool(body.get("stream"))
        request = create(
            model=body["model"], messages=body["messages"], stream=stream, extra_body=rest, extra_headers=headers, timeout=seconds
        )
        async with request as response:
            if not stream:
                return parse_json(await self._all(response.iter_bytes()), self._where)
            events = Events(self._where, call.hear if call is not None else _nobody)
            async for chunk in response.iter_bytes():
                events.feed(chunk)
                if events.finished:
                    break
            return json.loads(self._key.remove(json.dumps(events.body(), ensure_ascii=False)))

    async def _all(self, chunks: Any) -> bytes:
        """The whole body, up to a size no answer has."""
        parts: list[bytes] = []
        size = 0
        async for chunk in chunks:
            size += len(chunk)
            if size > LARGEST_BODY:
                raise BadResponse(f"{self._where} sent a body of more than {LARGEST_BODY // 2**20} MiB")
            parts.append(chunk)
        return self._clean(b"".join(parts))

    def _clean(self, data: bytes) -> bytes:
        """What the server sent, without our key: an echo of it must reach no record."""
        key = self._key.reveal().encode()
        return data.replace(key, b"[key]") if len(key) >= 8 else data

    @property
    def _where(self) -> str:
        return f"{self.model} at {self.host}"

    # -- the client --------------------------------------------------------------------------------
    def _connect(self) -> AsyncOpenAI:
        """The SDK's client, made at first use and again after a fork."""
        self._loop.start()
        with self._lock:
            if self._client is None or self._generation != self._loop.generation:
                self._client = self._loop.run(self._make())
                self._generation = self._loop.generation
        return self._client

    async def _make(self) -> AsyncOpenAI:
        import openai

        official = self.host == "api.openai.com"
        no_account: dict[str, Any] = {} if official else {"OpenAI-Organization": openai.Omit(), "OpenAI-Project": openai.Omit()}
        http = openai.DefaultAsyncHttpxClient(follow_redirects=False, trust_env=not self._local)
        client = openai.AsyncOpenAI(
            api_key=self._key.reveal() or "no-key",
            base_url=self.base_url,
            max_retries=0,
            default_headers={**no_account, **self._headers},
            http_client=http,
        )
        self._loop.at_end(client.close)
        return client


def _nobody(text: str) -> None:
    """Nobody listens."""
