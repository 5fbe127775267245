"""TensorBoard: scalars and texts in event files."""

from __future__ import annotations

import time
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from paragrad.errors import not_installed
from paragrad.home import find_home
from paragrad.runs.tracking.base import Tracker


class _Writer(Protocol):
    def add_scalar(self, tag: str, value: float, step: int) -> None:
        """One number."""

    def add_text(self, tag: str, text: str, step: int) -> None:
        """One text, shown as Markdown."""

    def close(self) -> None:
        """Write the rest."""


class TensorBoard(Tracker):
    """``track="tensorboard:DIR"``; look with ``tensorboard --logdir DIR``. A resumed run goes on in its own folder.

    Args:
        folder: where the folders of runs lie; empty: ``tensorboard`` in the home folder.

    Raises:
        UsageError: neither ``tensorboard`` nor ``tensorboardX`` is installed.
    """

    name = "tensorboard"

    def __init__(self, folder: str | Path = "") -> None:
        self.folder = Path(folder) if str(folder) else find_home() / "tensorboard"
        self._make = _writer_class()
        self._writer: _Writer | None = None
        self._step = 0

    def start(self, run_id: str, settings: Mapping[str, Any]) -> None:
        """Open the run's event file."""
        self._writer = self._make(str(self.folder / (run_id or time.strftime("%Y%m%d-%H%M%S"))))
        self._text("settings", "\n".join(f"- **{name}**: {value}" for name, value in settings.items()), 0)

    def scores(self, step: int, values: Mapping[str, float]) -> None:
        """One point per curve."""
        assert self._writer is not None
        self._step = step
        for name, value in values.items():
            self._writer.add_scalar(name, float(value), step)

    def note(self, step: int, name: str, text: str) -> None:
        """One text."""
        self._text(name, text, step)

    def finish(self, status: str, summary: Mapping[str, float], files: Mapping[str, str]) -> None:
        """What changed and the values, as texts, and the end of the file."""
        assert self._writer is not None
        for name, text in files.items():
            if name != "result.json":  # too long for a page; it lies in the run's folder
                self._text(name, f"```\n{text}\n```", self._step)
        self._text("status", status, self._step)
        self._writer.close()

    def _text(self, name: str, text: str, step: int) -> None:
        assert self._writer is not None
        self._writer.add_text(name, text, step)


class _Events:
    """Writes event files with the ``tensorboard`` package alone: no torch, no TensorFlow."""

    def __init__(self, folder: str) -> None:
        self._event = import_module("tensorboard.compat.proto.event_pb2").Event
        self._scalar = import_module("tensorboard.plugins.scalar.summary_v2").scalar_pb
        self._text = import_module("tensorboard.plugins.text.summary_v2").text_pb
        self._file = import_module("tensorboard.summary.writer.event_file_writer").EventFileWriter(folder)

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        """One number."""
        self._file.add_event(self._event(wall_time=time.time(), step=step, summary=self._scalar(tag, value)))

    def add_text(self, tag: str, text: str, step: int) -> None:
        """One text."""
        self._file.add_event(self._event(wall_time=time.time(), step=step, summary=self._text(tag, text)))

    def close(self) -> None:
        """Write the rest."""
        self._file.close()


def _writer_class() -> Any:
    """The first writer that is installed."""
    for module, made in (("tensorboard.summary.writer.event_file_writer", _Events), ("tensorboardX", None)):
        try:
            found = import_module(module)
        except ImportError:
            continue
        return made or found.SummaryWriter
    raise not_installed("the tracker 'tensorboard'", "tensorboard", "tensorboard")
