"""Cache layer: the same question to the same model is paid for once, also while it is being answered."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from threading import Lock
from typing import Any, Literal, get_args

from paragrad.errors import DeadlineExceeded, ModelError, NotConnected, UsageError
from paragrad.home import find_home, made
from paragrad.llm.cache_table import CacheTable
from paragrad.llm.layer import Call, Layer
from paragrad.llm.types import Response

Mode = Literal["off", "read-write", "replay-only", "refresh"]

_MODE: ContextVar[Mode | None] = ContextVar("paragrad_cache_mode", default=None)


@contextmanager
def caching(mode: Mode | bool) -> Iterator[None]:
    """Use the cache otherwise in this block: "off", "read-write", "replay-only" (a miss is an error) or "refresh" (ask, then store)."""
    token = _MODE.set(check_mode(mode))
    try:
        yield
    finally:
        _MODE.reset(token)


def mode_in_use() -> Mode | None:
    """The mode of the innermost :func:`caching` block, None outside."""
    return _MODE.get()


def check_mode(mode: str | bool) -> Mode:
    """A mode's name; True is "read-write", False is "off"."""
    name = {True: "read-write", False: "off"}.get(mode, mode) if isinstance(mode, bool) else mode
    for known in get_args(Mode):
        if name == known:
            return known  # type: ignore[no-any-return]
    raise UsageError(f"{mode!r} is no cache mode; write one of {', '.join(get_args(Mode))}")


class _Flight:
    """One question on its way; those who ask the same meanwhile wait for it."""

    __slots__ = ("done", "error", "response")

    def __init__(self) -> None:
        self.done = Lock()
        self.done.acquire()
        self.response: Response | None = None
        self.error: ModelError | None = None


class Cached:
    """Answers from one SQLite table; the key is sha256 of (request, model identity, sample).

    Only answers are stored. An answer from the cache costs nothing in the ledger, its usage is what
    the call took when it was made.

    Args:
        inner: asked on a miss.
        path: the SQLite file; None: ``cache.sqlite`` in the home folder, made at first use.
        mode: see :func:`caching`, which overrides it.
    """

    def __init__(self, inner: Layer, *, path: str | Path | None = None, mode: Mode = "read-write") -> None:
        self.inner = inner
        self.mode: Mode = mode
        self._path = None if path is None else Path(path)
        self._table: CacheTable | None = None
        self._flights: dict[str, _Flight] = {}
        self._lock = Lock()

    def handle(self, call: Call) -> Response:
        mode = _MODE.get() or self.mode
        if mode == "off":
            return self.inner.handle(call)
        key = call.digest(call.sample)
        table = self._table or self._open()
        if mode != "replay-only":
            return self._single_flight(table, key, call, fresh=mode == "refresh")
        found = _read(table, key, call)
        if found is None:
            raise NotConnected(
                f"the cache is replay-only and holds no answer to this request (key {key[:12]}…); use mode read-write once to record it"
            )
        return found

    def close(self) -> None:
        with self._lock:
            if self._table is not None:
                self._table.close()

    def _open(self) -> CacheTable:
        with self._lock:
            if self._table is None:
                self._table = CacheTable(self._path or made(find_home()) / "cache.sqlite")
            return self._table

    def _single_flight(self, table: CacheTable, key: str, call: Call, *, fresh: bool) -> Response:
        """Ask once per process, whoever asks; a leader that ran out of its own time is replaced by the next."""
        while True:
            with self._lock:
                flight = self._flights.get(key)
                leads = flight is None
                if flight is None:
                    flight = self._flights[key] = _Flight()
            if leads:
                return self._lead(table, key, call, flight, fresh=fresh)
            self._wait(flight, call)
            if flight.response is not None:
                _note(call, flight.response)
                return flight.response
            if flight.error is not None:
                raise flight.error

    def _wait(self, flight: _Flight, call: Call) -> None:
        while not flight.done.acquire(timeout=max(0.0, min(1.0, call.time_left()))):
            call.check_open()
            if call.time_left() <= 0:
                raise DeadlineExceeded(f"the same question was already being asked, and had no answer within {call.deadline.seconds:g} s")
        flight.done.release()

    def _lead(self, table: CacheTable, key: str, call: Call, flight: _Flight, *, fresh: bool) -> Response:
        try:
            found = None if fresh else _found(table, key, call)
            flight.response = found if found is not None else self._ask(table, key, call)
            return flight.response
        except DeadlineExceeded:
            raise
        except ModelError as error:
            flight.error = error
            raise
        finally:
            with self._lock:
                del self._flights[key]
                last = not self._flights
            flight.done.release()
            if last:
                table.flush()

    def _ask(self, table: CacheTable, key: str, call: Call) -> Response:
        try:
            response = self.inner.handle(call)
        except BaseException:
            table.release(key)
            raise
        table.put(key, response.to_json(), behind=call.scope is not None and call.scope.journal is not None)
        return response


def _found(table: CacheTable, key: str, call: Call) -> Response | None:
    """The stored answer, also one that another process is just waiting for; None when it is our turn to ask."""
    pause = 0.01
    while not table.lease(key):
        found = _read(table, key, call)  # our own answer may still wait to be written
        if found is not None:
            return found
        if call.time_left() <= pause:
            raise DeadlineExceeded(f"another process is asking the same question and had no answer within {call.deadline.seconds:g} s")
        time.sleep(pause)
        pause = min(0.2, pause * 1.5)
    found = _read(table, key, call)
    if found is not None:
        table.release(key)
    return found


def _read(table: CacheTable, key: str, call: Call) -> Response | None:
    payload = table.get(key)
    response = None if payload is None else _response(payload)
    if response is not None:
        _note(call, response)
    return response


def _note(call: Call, response: Response) -> None:
    """Tell the ledger of a call that cost nothing."""
    ledger = call.scope.ledger if call.scope is not None else None
    note: Any = getattr(ledger, "cached", None)
    if note is not None:
        note(phase=call.phase, tokens=response.usage.tokens)


def _response(payload: Any) -> Response | None:
    """A stored answer; None when it was written by another release in another shape."""
    try:
        return Response.from_json(payload)
    except (TypeError, KeyError, AttributeError):
        return None
