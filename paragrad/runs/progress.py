"""Progress of a run on a terminal, or one line per event where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def shown(progress: Any) -> Iterator[None]:
    """Show the events of the block."""
    yield
