"""chain: filters and optimizers one after the other; each narrows what the next sees, or is refined by it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from paragrad.errors import UsageError
from paragrad.optimizers.combined import Combined, rebased
from paragrad.optimizers.filters import Filter
from paragrad.protocols.evidence import Ask, Candidate, Evidence


class Chain(Combined):
    """Parts in a row. A filter narrows the evidence of all that follow. The first optimizer proposes; each later one takes
    every candidate as its base and changes it further, with one idea per candidate (its rows stay those of the base).

    Args:
        parts: filters and optimizers, at least one optimizer.
        parameters: Parameters to bind to, or None.
    """

    def __init__(self, *parts: Any, parameters: Any = None) -> None:
        super().__init__(parts, parameters)
        working = [part for part in self.parts if not isinstance(part, Filter)]
        if not working:
            raise UsageError("chain needs an optimizer besides its filters, such as chain(worst(8), TextGrad())")
        self.per_step = working[0].per_step

    def propose(self, evidence: Evidence, state: Any, *, n: int = 1, ask: Ask) -> tuple[list[Candidate], Any]:
        """The first optimizer's candidates, refined by the later ones."""
        view, states = evidence, list(state["states"])
        found: list[Candidate] | None = None
        for place, part in enumerate(self.parts):
            if isinstance(part, Filter):
                view = part.narrow(view)
            elif found is None:
                found, states[place] = self.propose_of(place, view, {"states": states}, n, ask)
            else:
                refined = []
                for candidate in found:
                    more, states[place] = self.propose_of(place, rebased(view, candidate), {"states": states}, 1, ask)
                    refined.append(_both(candidate, more[0]) if more else candidate)
                found = refined
        whole = [evidence.candidate({id: c.values[id] for id in c.changed()}, origin=c.origin) for c in found or ()]
        return whole, {"turn": state["turn"] + 1, "states": states}

    def serves(self, parameter: Any) -> bool:
        """Whether an optimizer serves it and no filter freezes it."""
        working = [part for part in self.parts if not isinstance(part, Filter)]
        return any(part.serves(parameter) for part in working) and all(p.serves(parameter) for p in self.parts if isinstance(p, Filter))

    def own(self, part: Any, parameters: Any) -> list[Any]:
        """What the part serves; filters keep no state of their own."""
        return [] if isinstance(part, Filter) else super().own(part, parameters)

    def describe(self) -> str:
        """The parts' names, in order."""
        return " → ".join(part.describe() for part in self.parts)


def _both(first: Candidate, second: Candidate) -> Candidate:
    changed = {id: second.values[id] for id in second.changed()}
    origin = "; ".join(part for part in (first.origin, second.origin) if part)
    return replace(first, values={**first.values, **changed}, origin=origin)


def chain(*parts: Any, parameters: Any = None) -> Chain:
    """Filters and optimizers in a row: ``chain(worst(8), freeze("*.format"), TextGrad())``; see :class:`Chain`."""
    return Chain(*parts, parameters=parameters)
