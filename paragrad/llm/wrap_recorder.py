"""Recorder: takes a wrapped client's HTTP requests through the same layers as every other model call."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import replace
from threading import Lock
from typing import Any

from paragrad.context import current_scope
from paragrad.errors import ModelError
from paragrad.llm.layer import current_call, seconds_allowed
from paragrad.llm.limiter import WIDEST_WINDOW
from paragrad.llm.openai_body import parse_json
from paragrad.llm.openai_errors import from_status, parsed_or_text
from paragrad.llm.prices import list_price
from paragrad.llm.secrets import Secret
from paragrad.llm.stack import Stacked, stack
from paragrad.llm.types import Request, Response
from paragrad.llm.wrap_asked import request_of
from paragrad.llm.wrap_exchange import Exchange, Received
from paragrad.llm.wrap_protocols import protocol_of
from paragrad.llm.wrap_usage import asks_too_little, without_usage
from paragrad.llm.wrap_use import in_use

HOSTS = {"api.anthropic.com": "anthropic", "api.openai.com": "openai"}

_EXCHANGE: ContextVar[Exchange | None] = ContextVar("paragrad_exchange", default=None)


class ClientWire:
    """The innermost layer: sends the exchange under way with the user's own HTTP client."""

    cacheable = True

    def __init__(self, name: str, host: str, key: Secret) -> None:
        self.name = name
        self.identity = f"{name}@{host}"
        self._key = key

    def complete(self, requests: list[Request], /) -> list[Response | ModelError]:
        """The answer of the one request that is under way."""
        exchange = _EXCHANGE.get()
        assert exchange is not None
        assert len(requests) == 1
        try:
            return [self._read(exchange, exchange.send(seconds_allowed(600.0)))]
        except ModelError as error:
            error.args = tuple(self._key.redact(str(part)) for part in error.args)
            error.__cause__ = error.__context__ = None
            return [error]

    def _read(self, exchange: Exchange, received: Received) -> Response:
        content = self._key.remove(received.content.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        if received.status // 100 != 2:
            raise from_status(received.status, parsed_or_text(content.decode("utf-8", "replace")), received.headers, exchange.where)
        if received.streamed and exchange.protocol.events is not None:
            response = exchange.protocol.read_stream(content, exchange.where)
            return replace(response, raw={"stream": without_usage(content).decode("utf-8", "replace")}) if exchange.counted else response
        return exchange.protocol.read(parse_json(content, exchange.where), exchange.where)


class Recorder:
    """What one wrapped client shares: its stacks, one per model, and the threads that wait for async calls.

    Args:
        sdk: "openai" or "anthropic".
        library: the HTTP library the SDK uses.
        key: taken out of everything that is recorded.
        options: of :func:`paragrad.llm.stack`.
    """

    def __init__(self, sdk: str, library: Any, *, key: str, options: Mapping[str, Any]) -> None:
        self.sdk = sdk
        self.library = library
        self._key = Secret(key if key.isascii() and key.isprintable() and " " not in key else "")
        self._options = dict(options)
        self._always = options.get("cache") not in (True, False, None, "off")
        self._stacks: dict[str, Stacked] = {}
        self._lock = Lock()
        self._pool: tuple[int, ThreadPoolExecutor] | None = None

    def listens(self) -> bool:
        """Whether a call made now concerns anybody."""
        return in_use() or (self._always and current_call() is None)

    def exchange(self, http: Any, request: Any) -> Exchange | None:
        """The exchange a request begins; None (and a note on record) when it is to be passed on as it is."""
        body = _json_of(request)
        protocol = protocol_of(self.sdk, request.url.path, body) if request.method == "POST" else None
        if protocol is None:
            self._passed_on(request)
            return None
        where = f"{body.get('model', 'a model')} at {request.url.host}"
        return Exchange(self.library, http, request, body, protocol, where, counted=asks_too_little(protocol.name, body))

    def plan(self, exchange: Exchange) -> tuple[Any, list[Any]]:
        """Take the call's coordinate: now, in program order."""
        out = self._stack(exchange)._out
        request = request_of(exchange.protocol.name, exchange.request.url.path, exchange.body, exchange.protocol.asked(exchange.body))
        return out, out.plan([request])

    def answer(self, exchange: Exchange, planned: tuple[Any, list[Any]]) -> Response | ModelError:
        """The answer, from the journal, the cache or the server.

        Raises:
            BudgetExceeded, Diverged, LostContext: what concerns the run rather than one call.
        """
        out, plans = planned
        token = _EXCHANGE.set(exchange)
        try:
            (found,) = out.run(plans)
        finally:
            _EXCHANGE.reset(token)
        answer: Response | ModelError = found
        return answer

    def pool(self) -> ThreadPoolExecutor:
        """Threads in which async calls wait; not the loop's own, which looks up the names of hosts."""
        with self._lock:
            if self._pool is None or self._pool[0] != os.getpid():
                self._pool = (os.getpid(), ThreadPoolExecutor(WIDEST_WINDOW, thread_name_prefix="paragrad-wrap"))
            return self._pool[1]

    def close(self) -> None:
        """End the threads."""
        with self._lock:
            if self._pool is not None and self._pool[0] == os.getpid():
                self._pool[1].shutdown(wait=False)
            self._pool = None

    def _stack(self, exchange: Exchange) -> Stacked:
        """The layers of one model."""
        host, model = str(exchange.request.url.host), str(exchange.body.get("model") or "unnamed")
        name = f"{HOSTS.get(host, 'http')}:{model}"
        port = exchange.request.url.port
        with self._lock:
            found = self._stacks.get(f"{name}@{host}:{port}")
            if found is None:
                options = {**self._options, "price": self._options["price"] or list_price(name)}
                wire = ClientWire(name, f"{host}:{port}" if port else host, self._key)
                found = self._stacks[f"{name}@{host}:{port}"] = stack(wire, **options)
            return found

    def _passed_on(self, request: Any) -> None:
        """Put a request that cannot be recorded on record, and count it when it may cost something."""
        scope = current_scope()
        if scope is None:
            return
        at = scope.coordinate()
        if request.method == "POST":
            scope.spent.add(input_tokens=0, output_tokens=0, usd=None)
            if scope.ledger is not None:
                scope.ledger.settle(scope.ledger.reserve(phase=at.phase, tokens=0, usd=0.0), tokens=0, usd=None)
        if scope.journal is not None:
            scope.journal.note(at, "passed on", {"method": request.method, "host": str(request.url.host), "path": request.url.path})


def _json_of(request: Any) -> Any:
    """A request's JSON, None when it has none."""
    if "application/json" not in request.headers.get("content-type", ""):
        return None
    try:
        return json.loads(request.content)
    except (ValueError, RecursionError):
        return None
