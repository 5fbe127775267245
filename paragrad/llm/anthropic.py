"""Anthropic: the Messages API, over plain HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from paragrad.llm.anthropic_body import body_of
from paragrad.llm.anthropic_reading import MessageEvents, read_message
from paragrad.llm.native import NativeWire, Outgoing
from paragrad.llm.openai_request import headers_of
from paragrad.llm.types import Request, Response

VERSION = "2023-06-01"


class Anthropic(NativeWire):
    """A wire to Claude: ``connect("anthropic:claude-haiku-4-5")``.

    System messages, tools, images and PDF files are sent in the protocol's own words. A schema is not
    sent (only some models take one; it is checked here in any case): for a model that does, pass
    ``output_config=``. ``seed`` and ``logprobs`` do not exist there and are left out.
    Source: docs.claude.com, Messages API, version 2023-06-01.
    """

    provider = "anthropic"
    begins = "/messages"

    def outgoing(self, request: Request, hear: Callable[[str], None] | None) -> Outgoing:
        """``POST messages``."""
        body = body_of(request, self.model, stream=hear is not None)
        return Outgoing("messages", body, headers_of(request), MessageEvents(self.where, hear) if hear is not None else None)

    def read(self, body: Any, request: Request) -> Response:
        """The answer in a message."""
        return read_message(body, self.where)

    def key_headers(self, key: str) -> dict[str, str]:
        """``x-api-key``, and the version of the protocol."""
        return {"anthropic-version": VERSION, **({"x-api-key": key} if key else {})}
