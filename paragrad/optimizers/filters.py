"""Filters of evidence: what a following optimizer sees. In a chain they stand before it; alone they propose nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from paragrad.errors import UsageError
from paragrad.optimizers.base import Transform
from paragrad.optimizers.blame import imperfect
from paragrad.optimizers.combined import matches, only_these
from paragrad.protocols.evidence import Ask, Candidate, Evidence


class Filter(Transform):
    """Narrows evidence. A subclass says how in ``narrow``; what it takes away, nothing after it in the chain sees."""

    def narrow(self, evidence: Evidence) -> Evidence:
        """Less evidence."""
        raise NotImplementedError(f"{type(self).__name__} must narrow evidence: def narrow(self, evidence)")

    def propose(self, evidence: Evidence, state: Any, *, n: int = 1, ask: Ask) -> tuple[list[Candidate], Any]:
        """Nothing: a filter has no ideas of its own."""
        return [], state


class Worst(Filter):
    """The ``n`` worst rows, in the order of their coordinates, and of the gradients those of these rows."""

    def __init__(self, n: int) -> None:
        super().__init__()
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:
            raise UsageError(f"worst({n!r}): write how many rows, 1 or more")
        self.n = n

    def narrow(self, evidence: Evidence) -> Evidence:
        """Rows by score; of equal ones the first. Rows without a score go."""
        ranked = imperfect(evidence.items)[: self.n]
        kept = {item.item for item in ranked}
        parameters = {
            id: replace(p, gradients=tuple(g for g in p.gradients if getattr(g, "item", None) in kept or not evidence.items))
            for id, p in evidence.parameters.items()
        }
        items = tuple(item for item in evidence.items if item.item in kept)
        return replace(evidence, items=items, parameters=parameters)

    def describe(self) -> str:
        """``worst(8)``."""
        return f"worst({self.n})"


class Only(Filter):
    """Only the Parameters that match may be changed."""

    def __init__(self, *where: Any, invert: bool = False) -> None:
        super().__init__()
        self.where, self.invert = where, invert

    def narrow(self, evidence: Evidence) -> Evidence:
        """The others are shown and fixed."""
        return only_these(evidence, {id for id, p in evidence.parameters.items() if self.serves(p)})

    def serves(self, parameter: Any) -> bool:
        """Whether it leaves the Parameter trainable."""
        return matches(self.where, parameter) != self.invert

    def describe(self) -> str:
        """``only("answer.*")`` or ``freeze("demos")``."""
        return f"{'freeze' if self.invert else 'only'}({', '.join(map(_name, self.where))})"


def worst(n: int) -> Worst:
    """The next optimizer in the chain learns from the ``n`` worst rows alone."""
    return Worst(n)


def only(*where: Any) -> Only:
    """The next optimizer in the chain may change only these: kinds, id patterns, Parameters."""
    return Only(*where)


def freeze(*where: Any) -> Only:
    """These stay as they are: kinds, id patterns, Parameters; without any, all.

    In a chain, the optimizers after it leave them alone. In a partition, ``{"demos": freeze()}`` leaves the demos alone.
    """
    return Only(*(where or ("*",)), invert=True)


def _name(key: Any) -> str:
    return repr(key) if isinstance(key, str) else str(getattr(key, "id", key))
