"""What a Parameter collected beside gradients: scores, demo evidence, peers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from paragrad.protocols.data import Episode
from paragrad.protocols.gradient import ScoreRecord
from paragrad.trace.accumulator import Accumulator, by_item
from paragrad.trace.nodes import Node
from paragrad.trace.peers import peers_of

if TYPE_CHECKING:
    from paragrad.trace.parameter import Parameter


class Collected:
    """The collecting half of a Parameter; everything belongs to the current context."""

    __slots__ = ()

    _n: Node

    def _accumulator(self) -> Accumulator:
        return self._n.acc  # type: ignore[attr-defined,no-any-return]

    @property
    def scores(self) -> list[ScoreRecord]:
        """Scores that reached it in this context, ordered by (item, edge)."""
        return by_item(self._accumulator().scores)

    @property
    def episodes(self) -> list[Episode]:
        """Demo evidence that reached it in this context, ordered by item."""
        return by_item(self._accumulator().episodes)

    @property
    def peers(self) -> tuple[Parameter[Any], ...]:
        """Parameters that reach the same model call as this one, as far as calls were recorded; see ``trace.peers``."""
        return peers_of(self)

    def zero_grad(self) -> None:
        """Forget gradients, scores and episodes collected in this context."""
        self._accumulator().clear()
