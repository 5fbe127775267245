"""Fake: a scripted model for tests and examples. Everything it says is marked ``simulated``."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from threading import Lock

from paragrad.errors import BadRequest, ModelError, UsageError
from paragrad.llm.prices import FREE, Price
from paragrad.llm.types import Request, Response, Usage

Reply = str | Response | ModelError
Script = Callable[[Request], Reply] | Iterable[Reply]


class Fake:
    """Answers from a function of the Request, or from a sequence in order of asking.

    A reply is a text, a Response, or a ModelError (returned or raised). Without a script it repeats
    the last message. Tokens are counted as a quarter of the characters. Thread-safe; ``requests``
    holds the last 1,000 requests, ``calls`` counts all.

    Args:
        script: function or sequence; a used-up sequence answers with ``BadRequest``.
        name: shown in records.
        price: dollars per million tokens (input, output), to rehearse budgets.
    """

    cacheable = False  # a function may change between two runs; its answers belong in no file
    simulated = True

    def __init__(self, script: Script | None = None, *, name: str = "fake", price: tuple[float, float] | None = None) -> None:
        self.name = self.identity = name
        self.price = FREE if price is None else Price.of_pair(price)
        self.calls = 0
        self.requests: deque[Request] = deque(maxlen=1000)
        self._lock = Lock()
        self._function: Callable[[Request], Reply] | None = None
        self._sequence: Iterator[Reply] | None = None
        if script is None:
            self._function = _repeat
        elif callable(script):
            self._function = script
        elif isinstance(script, str):
            raise UsageError(f"Fake({script[:40]!r}) is a text; write Fake([{script[:40]!r}]) or Fake(lambda request: {script[:40]!r})")
        else:
            self._sequence = iter(script)

    def __repr__(self) -> str:
        return f"Fake({self.name!r})"

    def complete(self, requests: list[Request], /) -> list[Response | ModelError]:
        """One reply per request, in order."""
        return [self._one(request) for request in requests]

    def __call__(self, text: str) -> str:
        """The reply to one message; raises its ModelError."""
        (answer,) = self.complete([Request([{"role": "user", "content": text}])])
        if isinstance(answer, ModelError):
            raise answer
        return answer.text

    def _one(self, request: Request) -> Response | ModelError:
        with self._lock:
            self.calls += 1
            self.requests.append(request)
            scripted = None if self._sequence is None else next(self._sequence, _used_up(self.calls))
        try:
            replies = [scripted if scripted is not None else self._answer(request) for _ in range(request.n)]
        except ModelError as error:
            return error
        failed = next((reply for reply in replies if isinstance(reply, ModelError)), None)
        return failed if failed is not None else self._response(request, replies)

    def _answer(self, request: Request) -> Reply:
        assert self._function is not None
        return self._function(request)

    def _response(self, request: Request, replies: list[Reply]) -> Response:
        first = replies[0]
        if isinstance(first, Response):
            return replace(first, simulated=True, model=first.model or self.name)
        texts = tuple(reply if isinstance(reply, str) else _not_a_reply(reply) for reply in replies)
        asked = sum(len(str(message.get("content") or "")) for message in request.messages)
        usage = Usage(max(1, asked // 4), sum(max(1, len(text) // 4) for text in texts))
        return Response(texts[0], usage=usage, texts=texts, model=self.name, simulated=True)


def _repeat(request: Request) -> str:
    return str(request.messages[-1].get("content") or "")


def _used_up(calls: int) -> ModelError:
    return BadRequest(f"the script of this Fake has no reply left for call {calls}; add replies, or use a function")


def _not_a_reply(reply: object) -> str:
    raise UsageError(f"a Fake's reply is {reply!r:.60}, of type {type(reply).__name__}; return a str, a Response or a ModelError")
