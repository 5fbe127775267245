"""LanguageModel: one method."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class LanguageModel(Protocol):
    """A model backend. ``complete`` never raises for one of its requests: a failed one is a ModelError in the list."""

    def complete(self, requests: list[Any], /) -> list[Any]:
        """One ``Response`` or ``ModelError`` per request, in order."""
