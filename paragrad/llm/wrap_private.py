"""A loop of its own for a wrapped async client: connections belong to the loop that opened them, and every worker has its own."""

from __future__ import annotations

import asyncio
from threading import Lock
from typing import Any

from paragrad.llm.loop import LoopThread

OWN_CLASS = "AsyncHttpxClientWrapper"  # what the SDKs make when they are given no HTTP client


class PrivateLoop:
    """Where the calls of runs are sent from.

    An HTTP client that the SDK made for itself is made again here, so that calls inside and outside
    runs never share a connection; one that the user made is used as it is.
    """

    def __init__(self, http: Any) -> None:
        self._given = http
        self._loop = LoopThread()
        self._lock = Lock()
        self._http: Any = None
        self._generation = 0

    def ready(self) -> tuple[asyncio.AbstractEventLoop, Any]:
        """The running loop, and the HTTP client whose connections belong to it."""
        loop = self._loop.start()
        with self._lock:
            if self._http is None or self._generation != self._loop.generation:
                self._http, self._generation = self._made(), self._loop.generation
            return loop, self._http

    def close(self) -> None:
        """Close what was made here, and end the thread."""
        self._loop.close()
        self._http = None

    def _made(self) -> Any:
        given = self._given
        if type(given).__name__ != OWN_CLASS:
            return given
        made = type(given)(base_url=given.base_url, timeout=given.timeout)
        self._loop.at_end(made.aclose)
        return made
