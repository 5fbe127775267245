"""The end of a command: where things are, what to do next, and the same as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from paragrad.runs.figures import columns, safe
from paragrad.runs.lines import Line, facts, labelled

Record = Mapping[str, Any]


def saved_line(record: Record, home: Path) -> Line:
    """Where the run is, and its digest."""
    return facts(
        "SAVED",
        (
            f"run {safe(record['run_id'])} in {near(home)}",
            f"seed {record['seed']} gives the same bytes again: sha256 {record['sha256'][:12]}…",
        ),
    )


def next_lines(commands: Sequence[tuple[str, str]], label: str = "NEXT") -> list[Line]:
    """Commands, and what they are for."""
    wide = max((columns(command) for command, _ in commands), default=0) + 2
    found = []
    for place, (command, purpose) in enumerate(commands):
        blank = " " * (wide - columns(command))
        found.append(labelled(label if place == 0 else "", (command, "accent"), blank, (purpose, "dim")))
    return found


def summary(record: Record) -> dict[str, Any]:
    """A record without its rows: what --json prints."""
    return {key: value for key, value in record.items() if key not in ("rows", "specs")}


def near(path: Path) -> str:
    """A path as a person would write it here."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)
