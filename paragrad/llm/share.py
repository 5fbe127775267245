"""Share: what one part of a run has taken from the run's ledger, so that it can be told apart from the rest.

Rounds of a search overlap. A checkpoint holds what the decided ones took; those under way are told
again on resume, from the journal, and must not be counted twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import Any

from paragrad.errors import BudgetExceeded
from paragrad.llm.budget_ledger import PICO

UNITS = ("calls", "tokens", "pico_usd", "cached_calls", "cached_tokens")


class Share:
    """A ledger that forwards to another one and counts its own part; implements the ``Ledger`` protocol.

    Args:
        allotted: calls it may take at most; None: as many as the ledger admits.

    Attributes:
        taken: phase to what was taken, in the ledger's units.
    """

    def __init__(self, ledger: Any, allotted: int | None = None) -> None:
        self.ledger = ledger
        self.allotted = allotted
        self.taken: dict[str, dict[str, int]] = {}
        self._lock = Lock()

    def reserve(self, *, phase: str, tokens: int | None, usd: float | None) -> Any:
        """Admit one call in the whole run's ledger.

        Raises:
            BudgetExceeded: the share's own calls are used up, or as the ledger says.
        """
        with self._lock:
            self.check(1 + sum(row["calls"] for row in self.taken.values()))
        found = self.ledger.reserve(phase=phase, tokens=tokens, usd=usd)
        self._add(phase, calls=1)
        return found

    def settle(self, reservation: Any, *, tokens: int, usd: float | None) -> None:
        """Settle it there."""
        self.ledger.settle(reservation, tokens=tokens, usd=usd)
        self._add(reservation.phase, tokens=tokens, pico_usd=_pico(usd))

    def replay(self, *, phase: str, calls: int, tokens: int, usd: float | None) -> None:
        """Count calls that a resumed run answers from its journal."""
        self.ledger.replay(phase=phase, calls=calls, tokens=tokens, usd=usd)
        self._add(phase, calls=calls, tokens=tokens, pico_usd=_pico(usd))

    def cached(self, *, phase: str, tokens: int) -> None:
        """Note a call that the cache answered."""
        self.ledger.cached(phase=phase, tokens=tokens)
        self._add(phase, cached_calls=1, cached_tokens=tokens)

    def seconds_left(self) -> float:
        """Seconds until no further call of the run may start."""
        left: float = self.ledger.seconds_left()
        return left

    def check(self, calls: int) -> None:
        """Refuse more calls than were allotted.

        Raises:
            BudgetExceeded: with the same words whoever notices.
        """
        if self.allotted is not None and calls > self.allotted:
            raise BudgetExceeded(f"a round took more than the {self.allotted} calls it was allotted of those that were left")

    def _add(self, phase: str, **amounts: int) -> None:
        with self._lock:
            row = self.taken.setdefault(phase, dict.fromkeys(UNITS, 0))
            for unit, amount in amounts.items():
                row[unit] += amount


def plus(state: Mapping[str, Any], share: Share) -> dict[str, Any]:
    """A ledger's state with what a share has taken."""
    phases = {phase: dict(row) for phase, row in state["phases"].items()}
    for phase, row in share.taken.items():
        known = phases.setdefault(phase, dict.fromkeys(UNITS, 0))
        for unit, amount in row.items():
            known[unit] += amount
    return {**state, "phases": phases}


def _pico(usd: float | None) -> int:
    return 0 if usd is None else round(usd * PICO)
