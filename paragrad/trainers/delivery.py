"""What a proven gain is for: the best values go into the program and the store, once, over an unchanged base."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paragrad import registry
from paragrad.context import Coordinate
from paragrad.errors import Conflict, JournalError
from paragrad.events import emit
from paragrad.journal import RunJournal
from paragrad.journal.crashpoints import crash_point
from paragrad.trainers.header import digest_of
from paragrad.trainers.result import Result
from paragrad.trainers.values import to_json

DELIVERY = "delivery"


def deliver(trainer: Any, result: Result, versions: Mapping[str, int], journal: RunJournal | None) -> None:
    """Write the best values into the program, then into the store the run was given.

    A Parameter that someone else wrote meanwhile is left alone, and so are the others: the result
    then says ``applied=False``, and ``result.apply()`` writes all the same.
    """
    if journal is not None:
        whole = {"before": to_json(trainer.parameters, result.best.before), "best": to_json(trainer.parameters, result.best.values)}
        journal.note(Coordinate(phase=DELIVERY), DELIVERY, whole)
    if trainer.apply:
        crash_point("before-publish")
        result.applied = _applied(result, versions)
        crash_point("after-publish")
    if trainer.store is not None:
        registry.facets.get("publish_values")(result, trainer.store)


def _applied(result: Result, versions: Mapping[str, int]) -> bool:
    try:
        result.apply(expect=versions)
    except Conflict as error:
        emit("warning", text=f"the best values were not written into the program: {error}")
        return False
    return True


def resumed(trainer: Any, header: dict[str, str], path: Path) -> dict[str, str]:
    """The header to compare with the run's record.

    A run that died after it wrote its best values finds some of them as its start; those count as what was there before.
    """
    if not path.exists() or not path.stat().st_size:
        return header
    try:
        with RunJournal(path) as journal:
            notes = list(journal.events(DELIVERY))
    except JournalError:  # it died before its first row, or is damaged: opening it with the header begins it, or says so
        return header
    if not notes:
        return header
    before, best = notes[-1].payload["before"], notes[-1].payload["best"]
    now = to_json(trainer.parameters, {id: parameter.value for id, parameter in trainer.parameters.items()})
    start = {id: before.get(id) if text == best.get(id) else text for id, text in now.items()}
    return {**header, "start": digest_of(start)}
