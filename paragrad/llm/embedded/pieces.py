"""An answer told while it is written, without what may still be taken back."""

from __future__ import annotations

from collections.abc import Callable, Sequence


class Pieces:
    """Tells the new part of a growing text; the beginning of a stop string is held back.

    Args:
        stops: strings that end the answer and are no part of it.
        tell: gets every new part.
    """

    def __init__(self, stops: Sequence[str], tell: Callable[[str], None]) -> None:
        self.stops = stops
        self.tell = tell
        self.told = 0

    def grow(self, text: str) -> None:
        """The text so far."""
        self.end(text[: len(text) - max((overlap(text, stop) for stop in self.stops), default=0)])

    def end(self, text: str) -> None:
        """The whole text."""
        if text[self.told :]:
            new, self.told = text[self.told :], len(text)
            self.tell(new)


def overlap(text: str, stop: str) -> int:
    """How many characters at the end of ``text`` might begin ``stop``."""
    return next((n for n in range(min(len(text), len(stop)), 0, -1) if stop.startswith(text[-n:])), 0)
