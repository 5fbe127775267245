"""Items past their deadline: on record, so that a resumed run does not give them a second chance.

Whether an item is late depends on the clock. What was decided on its lateness must be decided again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from paragrad.context import Coordinate, Scope
from paragrad.journal.records import Event, parse_coordinate
from paragrad.protocols.journal import Journal

LATE = "late"


def note_late(journal: Journal | None, at: Coordinate, error: BaseException) -> None:
    """Record that the item at ``at`` was abandoned, before anything is decided on it."""
    if journal is not None:
        journal.note(_place(at), LATE, str(error))


def refuse_late(scope: Scope | None) -> None:
    """Before an item runs: nothing, unless the recorded run abandoned it. What its calls took is counted again.

    Raises:
        TimeoutError: it did; with the recorded words.
    """
    journal = scope.journal if scope is not None else None
    told = journal.noted(_place(scope.at), LATE) if scope is not None and journal is not None else None
    if told is None:
        return
    assert scope is not None
    assert journal is not None
    if scope.ledger is not None:
        for phase, spent in _taken(journal.of_item(scope.at)).items():
            scope.ledger.replay(phase=phase, **spent)
    raise TimeoutError(told)


def _place(at: Coordinate) -> Coordinate:
    return Coordinate(at.step, at.candidate, at.item, at.repeat, LATE)


def _taken(events: Iterable[Event]) -> dict[str, dict[str, Any]]:
    """What the model calls of an item took, by phase. One that was never answered counts as a call."""
    calls: dict[str, dict[str, Any]] = {}
    for event in events:
        if event.kind == "model" and event.phase in ("intent", "outcome"):
            calls[event.coordinate] = event.payload["spent"] if event.phase == "outcome" else {"calls": 1, "tokens": 0, "usd": None}
    taken: dict[str, dict[str, Any]] = {}
    for coordinate, spent in calls.items():
        total = taken.setdefault(parse_coordinate(coordinate).phase, {"calls": 0, "tokens": 0, "usd": 0.0})
        total["calls"] += spent["calls"]
        total["tokens"] += spent["tokens"]
        total["usd"] += spent["usd"] or 0.0
    return taken
