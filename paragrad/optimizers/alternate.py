"""Alternate: optimizers that take turns. (Soylu, Potts, Khattab, "Fine-tuning and prompt optimization: two great steps", 2024.)"""

from __future__ import annotations

from typing import Any

from paragrad.errors import UsageError
from paragrad.optimizers.combined import Combined
from paragrad.protocols.evidence import Ask, Candidate, Evidence


class Alternate(Combined):
    """Each step is one optimizer's; after ``every`` steps it is the next one's turn.

    An optimizer with no ideas passes its turn on, so a run ends only when none has any. All are told how every candidate
    fared.

    Args:
        optimizers: at least one, or their names.
        every: steps in a row of the same optimizer.
        parameters: Parameters to bind to, or None.
    """

    def __init__(self, *optimizers: Any, every: int = 1, parameters: Any = None) -> None:
        super().__init__(optimizers, parameters)
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise UsageError(f"every={every!r}: write how many steps in a row an optimizer has, 1 or more")
        self.every = every
        limits = [part.per_step for part in self.parts]
        self.per_step = None if None in limits else max(limit for limit in limits if limit is not None)

    def propose(self, evidence: Evidence, state: Any, *, n: int = 1, ask: Ask) -> tuple[list[Candidate], Any]:
        """The ideas of whose turn it is, or of the next one that has any."""
        states = list(state["states"])
        first = state["turn"] // self.every
        found: list[Candidate] = []
        for shift in range(len(self.parts)):
            place = (first + shift) % len(self.parts)
            found, states[place] = self.propose_of(place, evidence, {"states": states}, n, ask)
            if found:
                break
        return found, {"turn": state["turn"] + 1, "states": states}

    def describe(self) -> str:
        """The optimizers' names."""
        return " ⇄ ".join(part.describe() for part in self.parts)
