"""Rows that got no result: too late is a failure of the program, an outage is no score at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paragrad.errors import BudgetExceeded, Outage
from paragrad.protocols.evidence import ItemEvidence
from paragrad.trainers.rows import Placed


def late_item(placed: Placed, error: BaseException | None) -> ItemEvidence:
    """A row that ran past its deadline is a failure of the program; other errors are raised."""
    if not isinstance(error, TimeoutError):
        assert error is not None
        raise error
    row = placed.row
    return ItemEvidence(
        placed.number,
        dict(row.inputs),
        row.target,
        str(error),
        {"score": 0.0},
        f"The program failed: {error}",
        status="error",
        spent=_nothing(),
    )


def _nothing() -> dict[str, Any]:
    return {"calls": 0, "input_tokens": 0, "output_tokens": 0, "usd": 0.0}


def refuse_outage(items: Sequence[ItemEvidence]) -> None:
    """An outage is not a score.

    Raises:
        Outage: a row got no answer.
    """
    lost = [item for item in items if item.status == "outage"]
    if lost:
        raise Outage(f"{len(lost)} of {len(items)} rows got no answer, so nothing was decided; the first: {lost[0].feedback}")


def refuse_late(ledger: Any) -> None:
    """Refuse to go on when the budget's seconds are over; a program that asks no model never meets the ledger."""
    if ledger is not None and ledger.seconds_left() <= 0:
        raise BudgetExceeded("the budget's time is over")
