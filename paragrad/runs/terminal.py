"""The live screen: rich draws it, nothing else here knows rich."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from paragrad.runs.lines import WIDTH, Line
from paragrad.runs.watching import Event, Watch

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text

STYLES = {"": "", "label": "bold cyan", "good": "green", "bad": "red", "dim": "dim", "strong": "bold", "accent": "magenta"}
REFRESH = 8  # times a second


class Terminal:
    """A terminal: colours (unless NO_COLOR), and two lines that are kept up to date while a run goes on."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console

        self.console = Console(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=True)
        self._live: Live | None = None

    @property
    def width(self) -> int:
        """Columns in use."""
        return max(40, min(WIDTH, self.console.width))

    def write(self, lines: Sequence[Line]) -> None:
        """Lines that stay, above the live part."""
        for one in lines:
            for folded in one.fold(self.width):
                self.console.print(_text(folded))

    @contextmanager
    def open(self, watch: Watch) -> Iterator[None]:
        """The live part, gone again at the end of the block."""
        from rich.live import Live

        view = _View(self, watch)
        with Live(
            view, console=self.console, refresh_per_second=REFRESH, transient=True, redirect_stdout=False, redirect_stderr=False
        ) as live:
            self._live = live
            try:
                yield
            finally:
                self._live = None

    def hear(self, watch: Watch, event: Event) -> None:
        """Show what an event leaves; the live part draws itself."""
        self.write(watch.hear(event))


class _View:
    """What rich asks for when it draws."""

    def __init__(self, screen: Terminal, watch: Watch) -> None:
        self.screen = screen
        self.watch = watch

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Text]:
        if self.watch.running:
            for one in self.watch.live(self.screen.width):
                text = _text(one)
                text.truncate(self.screen.width, overflow="ellipsis")
                yield text


def _text(one: Line) -> Text:
    from rich.text import Text

    return Text.assemble(*((text, STYLES[style]) for text, style in one.parts), no_wrap=True, end="\n")
