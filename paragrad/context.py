"""Coordinates: the name of every effect, given in program order and never by arrival.

An effect (a model call, a guide's result, declared IO, a random draw) happens at one coordinate
(step, candidate, item, repeat, ordinal). A :class:`Scope` hands the ordinals out while one item is
evaluated. Journal, cache sample index, gradient order and seeds use coordinates, so one worker and
sixty-four give the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextvars import ContextVar, Token
from dataclasses import dataclass
from math import fsum
from random import Random
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from paragrad.errors import LostContext

if TYPE_CHECKING:
    from paragrad.protocols.journal import Journal, Ledger


@dataclass(frozen=True, slots=True, order=True)
class Coordinate:
    """Where an effect happens. ``phase`` says who asks: "task", "guide", "critic" or "optimizer"."""

    step: int = 0
    candidate: int = 0
    item: int = 0
    repeat: int = 0
    phase: str = "task"
    ordinal: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{self.step}/{self.candidate}/{self.item}/{self.repeat}/{self.phase}/{'.'.join(map(str, self.ordinal))}"

    def seed(self, run_seed: int) -> int:
        """hash(run seed, coordinate): 63 bits, the same in every process."""
        digest = hashlib.sha256(f"{run_seed}|{self}".encode()).digest()
        return int.from_bytes(digest[:8], "big") >> 1


class Spent:
    """What one item has used so far: calls, tokens, dollars. Shared by the scopes inside the item."""

    __slots__ = ("calls",)

    def __init__(self) -> None:
        self.calls: list[tuple[int, int, float | None]] = []

    def add(self, *, input_tokens: int, output_tokens: int, usd: float | None) -> None:
        """Count one call; appending needs no lock."""
        self.calls.append((input_tokens, output_tokens, usd))

    def total(self) -> dict[str, Any]:
        """Sums, the same in any order of the calls; ``usd`` is None when the price of any call is unknown."""
        calls = tuple(self.calls)
        dollars = [usd for _, _, usd in calls if usd is not None]
        return {
            "calls": len(calls),
            "input_tokens": sum([tokens for tokens, _, _ in calls]),
            "output_tokens": sum([tokens for _, tokens, _ in calls]),
            "usd": fsum(dollars) if len(dollars) == len(calls) else None,
        }


class Scope:
    """One stretch of work at one (step, candidate, item, repeat); hands out ordinals in program order.

    Args:
        at: the coordinate's first four parts and phase.
        seed: the run's seed.
        journal: where effects are recorded, or None.
        ledger: what may still be spent, or None.
        prefix: ordinals of the enclosing call, for work that runs concurrently inside an item.
    """

    __slots__ = ("_beside", "_closed", "_next", "_taken", "at", "journal", "ledger", "parent", "prefix", "seed", "spent")

    def __init__(
        self, at: Coordinate, *, seed: int = 0, journal: Journal | None = None, ledger: Ledger | None = None, prefix: tuple[int, ...] = ()
    ) -> None:
        self.at = at
        self.seed = seed
        self.journal = journal
        self.ledger = ledger
        self.prefix = prefix
        self.parent: Scope | None = None
        self._closed = False
        self.spent = Spent()
        self._next = 0
        self._beside = 0
        self._taken = False

    def coordinate(self) -> Coordinate:
        """The next effect's coordinate.

        Raises:
            LostContext: the item was abandoned (its deadline passed) and may have no more effects.
        """
        if self.closed:
            raise LostContext(f"item {self.at} was abandoned after its deadline; its late effects are refused")
        at = self.at
        if self._taken:
            self._taken = False
            return Coordinate(at.step, at.candidate, at.item, at.repeat, at.phase, self.prefix)
        ordinal = self._next
        self._next = ordinal + 1
        return Coordinate(at.step, at.candidate, at.item, at.repeat, at.phase, (*self.prefix, ordinal))

    def child(self, phase: str | None = None) -> Scope:
        """A scope for work that runs beside its caller; takes one ordinal now, so order is program order.

        Within the same phase it shares what was spent; another phase counts for itself.
        """
        return self._inner(self.coordinate().ordinal, phase)

    def ahead(self) -> Scope:
        """A scope for a call that has an effect, perhaps later: its ordinal is taken now, and is the first that the scope gives."""
        made = self.child()
        made._taken = True
        return made

    def beside(self) -> Scope:
        """A scope for a call that may have no effect: it takes no ordinal, so the ordinals after it are as if it had none."""
        self._beside += 1
        return self._inner((*self.prefix, self._next, -self._beside), None)

    def part(self, number: int) -> Scope:
        """A scope for one of several parts that are numbered by what they are, whichever comes first."""
        return self._inner((*self.prefix, number), None)

    def _inner(self, prefix: tuple[int, ...], phase: str | None) -> Scope:
        at = self.at
        if phase is not None and phase != at.phase:
            at = Coordinate(at.step, at.candidate, at.item, at.repeat, phase)
        made = Scope(at, seed=self.seed, journal=self.journal, ledger=self.ledger, prefix=prefix)
        made.parent = self
        if at.phase == self.at.phase:
            made.spent = self.spent
        return made

    def random(self) -> Random:
        """A generator seeded by the next coordinate."""
        return Random(self.coordinate().seed(self.seed))

    @property
    def closed(self) -> bool:
        """Whether this scope, or one around it, was closed."""
        here: Scope | None = self
        while here is not None:
            if here._closed:
                return True
            here = here.parent
        return False

    def close(self) -> None:
        """Refuse every later effect of this scope and of its children."""
        self._closed = True


_SCOPE: ContextVar[Scope | None] = ContextVar("paragrad_scope", default=None)


def current_scope() -> Scope | None:
    """The scope of this context, or None outside any run."""
    return _SCOPE.get()


class scope:
    """Run a block inside ``at`` (None: outside any run)."""

    __slots__ = ("_token", "at")
    _token: Token[Scope | None]

    def __init__(self, at: Scope | None) -> None:
        self.at = at

    def __enter__(self) -> Any:
        self._token = _SCOPE.set(self.at)
        return self.at

    def __exit__(self, *_: object) -> None:
        _SCOPE.reset(self._token)


class Worker(Protocol):
    """A slot of an executor, as what runs in it sees it."""

    def park(self) -> Callable[[Lock], None] | None:
        """Give up the slot; see :func:`park`."""


WORKER: ContextVar[Worker | None] = ContextVar("paragrad_worker", default=None)


def park() -> Callable[[Lock], None] | None:
    """Give up this thread's slot before it sleeps on a lock, so that another item runs meanwhile.

    Returns:
        ``resume(lock)``: releases the lock once there is a slot again; to be called by whoever would
        have released it. None: no slot was given up.
    """
    worker = WORKER.get()
    return None if worker is None else worker.park()
