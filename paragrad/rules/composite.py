"""Optimizer: the parts of one update, one per store, applied all or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paragrad.errors import Conflict
from paragrad.registry import facets
from paragrad.rules.per_store import Prepared

TRIES = 16


class Optimizer:
    """What ``init_optimizer`` gives: one implementation per store.

    Attributes:
        conf: the configuration.
        parts: one per store.
        parameters: Parameters of these stores, whose own gradients join those of the store at ``apply``.
    """

    def __init__(self, conf: Any, parts: Sequence[Any], parameters: Sequence[tuple[Any, Any]] = ()) -> None:
        self.conf = conf
        self.parts = list(parts)
        self.parameters = list(parameters)
        self._alone = self.parts[0] if len(self.parts) == 1 and hasattr(self.parts[0], "apply_here") else None

    def apply(self) -> None:
        """Take the gradients, step, publish; see ``apply_update``."""
        if self.parameters:
            self._handed_over()
        if self._alone is not None and self._alone.apply_here():
            return
        for left in reversed(range(TRIES)):
            try:
                self._published()
                return
            except Conflict:
                if not left:
                    raise

    def _published(self) -> None:
        ready: list[Prepared] = []
        try:
            for part in self.parts:
                ready.append(part.prepare())
            if len(ready) == 1:
                (one,) = ready
                one.store.publish(one.values, one.expect, one.state, one.consume)
            else:
                facets.get("publish_all")(tuple(part) for part in ready)
        except BaseException:  # gradients must not stay away, whatever stopped the update
            for part in ready:
                if part.consume is not None:
                    part.consume.release()
            raise

    def _handed_over(self) -> None:
        """Push what ``backward`` left at Parameters to their store."""
        for parameter, store in self.parameters:
            accumulator = parameter._accumulator()
            total = accumulator.total()
            if total is not None:
                store.increment_gradient(parameter._bound.id, total)
                accumulator.numbers, accumulator.parts, accumulator.folded = [], [], 0

    def __repr__(self) -> str:
        return f"Optimizer({self.conf!r}, {len(self.parts)} stores)"
