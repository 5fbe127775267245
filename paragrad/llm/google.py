"""Google: the Gemini API's generateContent, over plain HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from paragrad.errors import AuthenticationFailed, ModelError
from paragrad.llm.google_body import body_of
from paragrad.llm.google_reading import ContentEvents, read_content, reasons_of, retry_delay
from paragrad.llm.native import NativeWire, Outgoing
from paragrad.llm.openai_errors import from_status
from paragrad.llm.openai_request import headers_of
from paragrad.llm.types import Request, Response


class Google(NativeWire):
    """A wire to Gemini: ``connect("google:gemini-2.5-flash")``.

    System messages, tools, schemas, images, sounds and files are sent in the protocol's own words.
    Source: ai.google.dev/api/generate-content, v1beta.
    """

    provider = "google"
    begins = "/models"

    def outgoing(self, request: Request, hear: Callable[[str], None] | None) -> Outgoing:
        """``POST models/NAME:generateContent``."""
        name = self.model if "/" in self.model else f"models/{self.model}"
        verb = "generateContent" if hear is None else "streamGenerateContent?alt=sse"
        events = ContentEvents(self.where, hear) if hear is not None else None
        return Outgoing(f"{quote(name, safe='/-._')}:{verb}", body_of(request), headers_of(request), events)

    def read(self, body: Any, request: Request) -> Response:
        """The answer in the first candidate."""
        return read_content(body, self.where)

    def key_headers(self, key: str) -> dict[str, str]:
        """``x-goog-api-key``: a key in the address would reach logs."""
        return {"x-goog-api-key": key} if key else {}

    def failure(self, status: int, body: Any, headers: Mapping[str, str]) -> ModelError:
        """The error of an HTTP answer; a wrong key comes as 400 here, and the time to wait inside the body."""
        body = body[0] if isinstance(body, list) and body else body
        error = from_status(status, body, headers, self.where, begins=self.begins)
        if status == 400 and "API_KEY_INVALID" in reasons_of(body):
            return AuthenticationFailed(f"{error}; check the key and what it may use", status=status)
        if status == 429 and error.retry_after is None:
            error.retry_after = retry_delay(body)
        return error
