"""Journal and Ledger: what a run remembers, and what it may still spend."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from paragrad.context import Coordinate


class Journal(Protocol):
    """An append-only record of effects. Intent and outcome are two rows, both durable before they are relied on."""

    def effect(
        self,
        at: Coordinate,
        kind: str,
        digest: str,
        perform: Callable[[], Mapping[str, Any]],
        *,
        describe: Callable[[], Mapping[str, Any]] | None = None,
        paid: bool = True,
    ) -> tuple[Mapping[str, Any], bool]:
        """The outcome of the effect at ``at``, and whether it was replayed.

        ``paid=False``: an effect that may be repeated at no cost. It has no intent, and its outcome is
        written without waiting, but before any later row.

        ``describe`` gives a few JSON-like words about the request, kept with the intent for ``Diverged``.

        Recorded before: the recorded outcome, ``perform`` is not called. Otherwise the intent is made
        durable, ``perform`` is called, its JSON-like answer is made durable and returned. An exception
        of ``perform`` is noted, leaves no outcome and is raised: a resumed run repeats the effect.

        Raises:
            Diverged: an effect of another kind or digest is recorded at ``at``; the message shows both.
        """

    def note(self, at: Coordinate, kind: str, payload: Any) -> None:
        """Record a decision; made again on resume with the same payload it changes nothing, with another it is ``Diverged``."""

    def noted(self, at: Coordinate, kind: str) -> Any:
        """What was noted there, None when nothing was."""

    def of_item(self, at: Coordinate) -> Sequence[Any]:
        """Every row of one item, as events: of the coordinates that share the first four parts of ``at``."""

    def checkpoint(self, state: Any, at: Coordinate) -> None:
        """Record the JSON-like state from which a resumed run goes on."""


class Ledger(Protocol):
    """Hard limits over task, guide, critic and optimizer together. Every attempt is reserved before it is made."""

    def reserve(self, *, phase: str, tokens: int | None, usd: float | None) -> Any:
        """Admit one call with its worst case (None: unknown). Returns a reservation.

        Raises:
            BudgetExceeded: the worst case does not fit what is left, or is unknown under a limit of that unit.
        """

    def settle(self, reservation: Any, *, tokens: int, usd: float | None) -> None:
        """Replace the worst case by what the call really took (0 for an attempt that never reached the server)."""

    def replay(self, *, phase: str, calls: int, tokens: int, usd: float | None) -> None:
        """Count a call that a resumed run answers from its journal."""
