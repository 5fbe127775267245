"""Server-sent events, read as they arrive: the lines, whatever the protocol on top of them says."""

from __future__ import annotations

from typing import Any

from paragrad.errors import BadResponse
from paragrad.llm.openai_body import parse_json
from paragrad.llm.secrets import shorten

LARGEST_LINE = 8 * 1024 * 1024


class EventReader:
    """Splits a byte stream into events; subclasses say what an event means.

    Args:
        where: model and host, for messages.

    Attributes:
        finished: no further event is needed.
        failing: the next event was announced as an error (``event: error``).
    """

    def __init__(self, where: str) -> None:
        self.where = where
        self.finished = False
        self.failing = False
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Read what arrived.

        Raises:
            BadResponse: it is no event stream.
            ModelError: an event reports an error.
        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LARGEST_LINE:
            raise BadResponse(f"{self.where} sent an event of more than {LARGEST_LINE} bytes")
        for line in lines:
            self._line(line.rstrip(b"\r"))

    def body(self) -> dict[str, Any]:
        """The whole answer, shaped like an unstreamed one.

        Raises:
            ServerFailed: the stream was cut.
        """
        if self._rest.strip():
            self._line(self._rest.rstrip(b"\r"))
            self._rest = b""
        return self.whole()

    def event(self, event: dict[str, Any]) -> None:
        """One event."""
        raise NotImplementedError

    def whole(self) -> dict[str, Any]:
        """What all events together say."""
        raise NotImplementedError

    def _line(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name.strip()[:1] in (b"{", b"<", b"["):
            raise BadResponse(f"{self.where} sent no event stream: {shorten(line[:200].decode('utf-8', 'replace'), 80)!r}")
        value = value.removeprefix(b" ")
        if name == b"event" and value.strip() == b"error":
            self.failing = True
        if name != b"data" or self.finished:
            return
        if value.strip() == b"[DONE]":
            self.finished = True
            return
        event = parse_json(value, self.where)
        if not isinstance(event, dict):
            raise BadResponse(f"{self.where} sent an event that is no object: {shorten(repr(event), 60)}")
        self.event(event)
