"""Adding up gradients of several traces before one push, and log-domain arithmetic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from paragrad.errors import UsageError
from paragrad.gen.environment import Read
from paragrad.gen.learning import ParamGradients, push_all
from paragrad.gen.parameters import ParameterRead


class GradientSum:
    """The sum of parameter gradients, in the order they are added; one push per parameter at the end.

    So a loop costs its stores one increment per parameter, and gives the same bits however many threads worked.
    """

    __slots__ = ("reads", "sums")

    def __init__(self) -> None:
        self.reads: dict[Any, Read | ParameterRead] = {}
        self.sums: dict[Any, Any] = {}

    def add(self, found: ParamGradients) -> None:
        """Add one trace's (or batch's) gradients."""
        sums = self.sums
        for id, grad in found.params.items():
            if id in sums:
                sums[id] = sums[id] + grad
            else:
                sums[id] = grad
                self.reads[id] = found.trace.reads[id]

    def merge(self, other: GradientSum) -> None:
        """Add another sum."""
        if not other.sums:
            return
        for id, grad in other.sums.items():
            self.sums[id] = self.sums[id] + grad if id in self.sums else grad
        self.reads.update({id: read for id, read in other.reads.items() if id not in self.reads})

    def push(self) -> None:
        """Add everything to where it was read; if one store fails, what others got is taken back."""
        push_all([(id, self.reads[id], grad) for id, grad in self.sums.items()])


def refuse_elsewhere(found: GradientSum, *optimizers: Any) -> bool:
    """Refuse gradients of which none goes to a store that an optimizer updates: nothing would ever learn.

    Returns:
        Whether there were any to look at; once is enough.

    Raises:
        UsageError: naming both stores.
    """
    parts = [part for optimizer in optimizers for part in getattr(optimizer, "parts", ())]
    stores = [part.store for part in parts if hasattr(part, "store")]
    if not stores or len(stores) < len(parts) or not found.sums:
        return bool(found.sums)
    keys = {store.key for store in stores}
    stored = [found.reads[id].store for id in found.sums if isinstance(found.reads[id], Read)]
    if len(stored) == len(found.sums) and all(store.key not in keys for store in stored):
        here = stored[0]
        raise UsageError(
            f"the parameters are in {here!r}, the optimizer updates {stores[0]!r}: nothing would learn; give gen.init_optimizer "
            "and this loop the same context="
        )
    return True


def logsumexp(values: Sequence[float]) -> float:
    """log of the sum of exponentials; -inf where all are."""
    top = max(values)
    if top in (math.inf, -math.inf):
        return top
    return top + math.log(math.fsum([math.exp(value - top) for value in values]))


def positive(**counts: int) -> None:
    """Refuse a count below 1.

    Raises:
        UsageError: naming it.
    """
    for name, count in counts.items():
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise UsageError(f"{name} is {count!r}; it must be an integer of at least 1")
