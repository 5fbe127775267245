"""The start of a run: the values it begins with are scored, and what could never be trained is refused early."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from paragrad.errors import ExecutionError, UsageError
from paragrad.protocols.evidence import ItemEvidence
from paragrad.trainers.evaluation import Evaluation
from paragrad.trainers.jobs import Job
from paragrad.trainers.reach import Reach
from paragrad.trainers.rows import Placed
from paragrad.trainers.session import Session

PROBES = (1, 3)  # rows that are run alone, then three more, before the others are paid for


def baseline(trainer: Any, session: Session, values: dict[str, Any]) -> Evaluation:
    """The start's scores on the validation rows.

    Raises:
        NothingToTrain: no trained Parameter reaches the output, or one was read in a way that leads nowhere.
        UsageError: the budget does not reach one round.
        ExecutionError: the program failed on every row.
    """
    rows: Sequence[Placed] = trainer.validation_rows
    reach = Reach(session.parameters)
    items: list[ItemEvidence] = []
    for count in PROBES:
        part = rows[len(items) : len(items) + count]
        items += _run(session, values, part, reach)
        if reach.found:
            break
    if reach.outputs:
        reach.refuse()
        refuse_small_budget(trainer, Evaluation(tuple(items)).asked / len(items))
    items += _run(session, values, rows[len(items) :], None if reach.found else reach)
    if all(item.status == "error" for item in items):
        raise ExecutionError(
            f"the program fails on every one of the {len(items)} rows, so there is nothing to learn from; the first: {items[0].output}"
        )
    if reach.outputs:
        reach.refuse()
    return Evaluation(tuple(items))


def _run(session: Session, values: dict[str, Any], rows: Sequence[Placed], reach: Reach | None) -> list[ItemEvidence]:
    if not rows:
        return []
    return list(session.evaluate_all([Job(values, rows, label="baseline", reach=reach)], step=0)[0].items)


def refuse_small_budget(trainer: Any, calls_per_row: float) -> None:
    """Say at once when a budget cannot carry a run through one round.

    Raises:
        UsageError: with the least number of calls that would do.
    """
    limit = trainer.budget.calls
    if limit is None or not calls_per_row:
        return
    fixed = math.ceil(calls_per_row * (len(trainer.validation_rows) + 2 * len(trainer.test_rows)))
    least = fixed + math.ceil(calls_per_row * trainer.least_rows())
    if limit < least:
        raise UsageError(
            f"a budget of {limit} calls does not reach one round: baseline and held-out test take {fixed} calls, a round {least - fixed}; "
            f"give at least {least} calls, or fewer rows"
        )
