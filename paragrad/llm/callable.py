"""CallableModel: any function from text to text as a model, for clients this library does not know."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from threading import Thread
from typing import Any

from paragrad.errors import BadRequest, BadResponse, ModelError, ServerFailed
from paragrad.llm.layer import seconds_allowed
from paragrad.llm.openai_errors import from_status, timed_out
from paragrad.llm.parts import text_of
from paragrad.llm.secrets import redact, shorten
from paragrad.llm.types import Request, Response


class CallableModel:
    """A wire around ``function(text) -> str``, or ``function(messages) -> str`` with ``messages=True``.

    Errors of clients (classes that are no Python built-ins, and ``OSError``) become ModelErrors, by
    their ``status_code`` where they have one; built-in errors are bugs and are raised. A call past its
    deadline is abandoned. The cache is used only for functions that are given an ``identity``.

    Args:
        function: asked once per request.
        messages: pass the list of messages instead of one text.
        identity: a stable name, including a version that changes with what the function does.
        deadline: seconds, for requests asked outside a stack.
    """

    def __init__(
        self, function: Callable[[Any], str], *, messages: bool = False, identity: str | None = None, deadline: float = 60.0
    ) -> None:
        self.function = function
        self.messages = messages
        self.deadline = deadline
        self.cacheable = identity is not None
        self.name = identity or f"callable:{getattr(function, '__qualname__', type(function).__name__)}"
        self.identity = self.name

    def __repr__(self) -> str:
        return f"CallableModel({self.name!r})"

    def complete(self, requests: list[Request], /) -> list[Response | ModelError]:
        """One answer per request, asked one after another."""
        return [self._one(request) for request in requests]

    def _one(self, request: Request) -> Response | ModelError:
        try:
            asked: Any = [dict(message) for message in request.messages] if self.messages else as_text(request)
        except BadRequest as error:
            return error
        seconds = seconds_allowed(self.deadline)
        texts: list[str] = []
        for _ in range(request.n):
            answer = self._abandonable(asked, seconds)
            if isinstance(answer, ModelError):
                return answer
            if not isinstance(answer, str):
                return BadResponse(f"{self.name} returned {shorten(repr(answer), 60)}; a model function returns a str")
            texts.append(answer)
        return Response(texts[0], texts=tuple(texts), model=self.name)

    def _abandonable(self, asked: Any, seconds: float) -> Any:
        """The function's result, or an error; waits no longer than ``seconds``."""
        done: list[Any] = []
        context = copy_context()
        thread = Thread(target=lambda: done.append(context.run(self._call, asked)), name="paragrad-callable", daemon=True)
        thread.start()
        thread.join(seconds)
        if not done:
            return timed_out(seconds, self.name)
        if isinstance(done[0], _Bug):
            raise done[0].error
        return done[0]

    def _call(self, asked: Any) -> Any:
        try:
            return self.function(asked)
        except ModelError as error:
            return error
        except Exception as error:  # noqa: BLE001  a foreign client's errors have no common base; bugs are raised in the caller
            return self._translated(error)

    def _translated(self, error: Exception) -> Any:
        if type(error).__module__ == "builtins" and not isinstance(error, OSError):
            return _Bug(error)
        status = getattr(error, "status_code", None)
        text = f"{type(error).__name__}: {shorten(str(error))}"
        if isinstance(status, int) and status >= 400:
            return from_status(status, text, {}, self.name)
        return ServerFailed(redact(f"{self.name} failed: {text}"))


class _Bug:
    """An error that is nobody's outage."""

    __slots__ = ("error",)

    def __init__(self, error: Exception) -> None:
        self.error = error


def as_text(request: Request) -> str:
    """The messages as one text: a single one as it is, several under their roles.

    Raises:
        BadRequest: a message holds more than text.
    """
    texts = [text_of(message.get("content"), "a model that is a function of one text") for message in request.messages]
    if len(texts) == 1:
        return texts[0]
    return "\n\n".join(f"{message.get('role', 'user')}: {text}" for message, text in zip(request.messages, texts, strict=True))
