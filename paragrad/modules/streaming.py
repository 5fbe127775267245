"""Streaming a program: its words piece by piece while the model writes them, its typed result at the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import Any, Generic, NamedTuple, TypeVar

from paragrad.errors import UsageError
from paragrad.llm import Request, Response, Stacked
from paragrad.trace.aside import in_thread, tell
from paragrad.trace.module import Module

R = TypeVar("R")
Hear = Callable[[str], None]


@dataclass
class Listening:
    """Who is listened to, and by whom. ``pieces`` counts what was said."""

    generator: Any
    hear: Hear
    pieces: int = 0

    def __call__(self, text: str) -> None:
        self.pieces += 1
        self.hear(text)


class End(NamedTuple):
    """The last thing a stream gives: a result, or what went wrong."""

    result: Any = None
    error: BaseException | None = None


_LISTENING: ContextVar[Listening | None] = ContextVar("paragrad_listening", default=None)


def asked(generator: Any, model: Stacked, request: Request) -> Response | Exception:
    """The model's answer; its pieces are told when this generator is the one that is listened to."""
    listening = _LISTENING.get()
    if listening is None or listening.generator is not generator:
        return model.complete([request])[0]
    stream = model.stream(request)
    for piece in stream:
        listening(piece)
    return stream.response


def last_generator(program: Any) -> Any:
    """The Generator whose words are a program's answer: the last one in order of definition, itself if it is one."""
    from paragrad.modules.generator import Generator

    stack: list[Any] = [program]
    seen: set[int] = set()
    while stack:
        part = stack.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, Generator):
            return part
        if isinstance(part, Module):
            stack.extend(vars(part).values())
        elif isinstance(part, (list, tuple)):
            stack.extend(part)
        elif isinstance(part, dict):
            stack.extend(part.values())
    return None


class Streamed(Generic[R]):
    """Iterates over pieces of text; :attr:`result` once they ended. The program goes on when the reader stops early."""

    def __init__(self, program: Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        self._queue: SimpleQueue[str | End] = SimpleQueue()
        self._end: End | None = None
        in_thread(partial(_produce, program, args, kwargs, self._queue.put), "paragrad-stream")

    def __iter__(self) -> Iterator[str]:
        """The pieces, as they arrive.

        Raises:
            ModelError: the answer failed or broke off; pieces given before it are no answer.
            ExecutionError: the answer could not be read as the output type, or the program failed.
        """
        while self._end is None:
            piece = self._queue.get()
            if isinstance(piece, End):
                self._end = piece
            else:
                yield piece
        _ = self.result

    @property
    def result(self) -> R:
        """The program's answer, as ``predict`` gives it.

        Raises:
            UsageError: the pieces have not ended.
        """
        return _result(self._end)  # type: ignore[no-any-return]


class AsyncStreamed(Generic[R]):
    """The same for ``async for``; begins when it is made inside a running loop, else at the first piece."""

    def __init__(self, program: Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        self._work: Callable[[Hear], None] = partial(_produce, program, args, kwargs)
        self._queue: asyncio.Queue[str | End] | None = None
        self._end: End | None = None
        try:
            self._begin(asyncio.get_running_loop())
        except RuntimeError:  # no loop yet
            return

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        if self._queue is None:
            self._begin(asyncio.get_running_loop())
        assert self._queue is not None
        piece = self._end or await self._queue.get()
        if isinstance(piece, str):
            return piece
        self._end = piece
        _ = self.result
        raise StopAsyncIteration

    @property
    def result(self) -> R:
        """The program's answer, as ``predict`` gives it.

        Raises:
            UsageError: the pieces have not ended.
        """
        return _result(self._end)  # type: ignore[no-any-return]

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        self._queue = asyncio.Queue()
        in_thread(partial(self._work, partial(tell, loop, self._queue.put_nowait)), "paragrad-stream")


def _produce(program: Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], put: Callable[[Any], None]) -> None:
    """Run the program, telling its pieces and then its end."""
    try:
        with _listening(program, put) as heard:
            result = program.predict(*args, **kwargs)
        if not heard.pieces and isinstance(result, str) and result:
            put(result)
        put(End(result))
    except BaseException as error:  # noqa: BLE001 (handed to the reader, who raises it)
        put(End(error=error))


@contextmanager
def _listening(program: Module, hear: Hear) -> Iterator[Listening]:
    made = Listening(last_generator(program), hear)
    token = _LISTENING.set(made)
    try:
        yield made
    finally:
        _LISTENING.reset(token)


def _result(end: End | None) -> Any:
    if end is None:
        raise UsageError("the stream has not ended; read its pieces first, then .result")
    if end.error is not None:
        raise end.error
    return end.result
