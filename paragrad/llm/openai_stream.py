"""Reading server-sent events into the same body that an unstreamed answer has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from paragrad.errors import BadResponse, ServerFailed
from paragrad.llm.openai_errors import from_error_object
from paragrad.llm.secrets import shorten
from paragrad.llm.sse import EventReader


class Events(EventReader):
    """Collects the pieces of one streamed answer.

    A stream that ends without a finish reason is a cut one, however politely it ended.

    Args:
        where: model and host, for messages.
        hear: told every piece of text.
    """

    def __init__(self, where: str, hear: Callable[[str], None]) -> None:
        super().__init__(where)
        self._hear = hear
        self._text: list[str] = []
        self._tools: dict[int, dict[str, Any]] = {}
        self._logprobs: list[Any] = []
        self._head: dict[str, Any] = {}
        self._finish: str | None = None
        self._usage: Any = None

    def whole(self) -> dict[str, Any]:
        """The whole answer.

        Raises:
            ServerFailed: the stream was cut.
        """
        if self._finish is None:
            raise ServerFailed(
                f"{self.where} ended its stream before the answer was complete ({len(''.join(self._text))} characters had come)"
            )
        tools = [self._tools[index] for index in sorted(self._tools)]
        content: str | None = "".join(self._text)
        message = {"role": "assistant", "content": content or (None if tools else ""), **({"tool_calls": tools} if tools else {})}
        choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": self._finish}
        if self._logprobs:
            choice["logprobs"] = {"content": self._logprobs}
        return {**self._head, "object": "chat.completion", "choices": [choice], "usage": self._usage}

    def event(self, event: dict[str, Any]) -> None:
        """One chunk.

        Raises:
            ModelError: it reports an error.
        """
        if event.get("error") or self.failing:
            raise from_error_object(event.get("error") or event, self.where)
        self._head |= {name: event[name] for name in ("id", "created", "model", "system_fingerprint") if name in event}
        self._usage = event.get("usage") or self._usage
        choices = event.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict) and choice.get("index", 0) == 0:
                self._choice(choice)

    def _choice(self, choice: dict[str, Any]) -> None:
        delta = choice.get("delta")
        if isinstance(delta, dict):
            text = delta.get("content")
            if isinstance(text, str):
                self._text.append(text)
                self._hear(text)
            elif text is not None:
                raise BadResponse(f"{self.where} streamed content that is no text: {shorten(repr(text), 60)}")
            for part in delta.get("tool_calls") or ():
                self._tool(part)
        logprobs = choice.get("logprobs")
        if isinstance(logprobs, dict):
            self._logprobs += logprobs.get("content") or []
        finish = choice.get("finish_reason")
        if isinstance(finish, str) and finish:
            self._finish = finish

    def _tool(self, part: Any) -> None:
        """Join the pieces of a tool call: the name comes once, the arguments in pieces."""
        function = part.get("function") if isinstance(part, dict) else None
        if not isinstance(part, dict) or not isinstance(function, dict):
            raise BadResponse(f"{self.where} streamed a tool call without a function: {shorten(repr(part), 60)}")
        index = part.get("index")
        whole = self._tools.setdefault(
            index if isinstance(index, int) else 0, {"type": "function", "function": {"name": "", "arguments": ""}}
        )
        if part.get("id"):
            whole["id"] = part["id"]
        whole["function"]["name"] += function.get("name") or ""
        whole["function"]["arguments"] += function.get("arguments") or ""
