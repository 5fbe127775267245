"""Executor: run independent items at once, and hear of them in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, cast, runtime_checkable

from paragrad.context import Scope
from paragrad.errors import BudgetExceeded, Diverged, JournalError

T = TypeVar("T")
S = TypeVar("S")
S_contra = TypeVar("S_contra", contravariant=True)

STOPS = (BudgetExceeded, Diverged, JournalError)
"""Errors that end the whole run, beside KeyboardInterrupt and its like: going on would pay for nothing."""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """What became of one item: a value or an error.

    Attributes:
        seconds: how long it ran.
        abandoned: True when its deadline passed; ``error`` is then a TimeoutError.
    """

    value: T | None = None
    error: BaseException | None = None
    seconds: float = 0.0
    abandoned: bool = False

    @property
    def ok(self) -> bool:
        return self.error is None

    def get(self) -> T:
        """The value, or the error raised."""
        if self.error is not None:
            raise self.error
        return cast(T, self.value)


def stops(error: BaseException) -> bool:
    """Whether ``error`` ends the whole run instead of one item."""
    return isinstance(error, STOPS) or not isinstance(error, Exception)


@runtime_checkable
class Executor(Protocol):
    """Runs functions on items; order, contexts and coordinates never depend on how many run at once."""

    workers: int

    def map(
        self,
        fn: Callable[[S_contra], T],
        items: Iterable[S_contra],
        *,
        deadline: float | None = None,
        lookahead: int | None = None,
        scopes: Callable[[int, S_contra], Scope | None] | None = None,
    ) -> Iterator[tuple[int, Outcome[T]]]:
        """``(index, outcome)`` for every item, in item order.

        Args:
            deadline: seconds one item may run, from its start; later it is abandoned.
            lookahead: how many items may be begun beyond the one whose outcome is awaited.
            scopes: gives each item's Scope, asked in item order. Without it an item gets a child of the
                scope current at the call, if there is one.

        Raises:
            BudgetExceeded, Diverged, JournalError, KeyboardInterrupt: of any item, at once; what has not
                begun is cancelled and the results of what runs are dropped.
        """
        ...

    def gather(self, calls: Sequence[Callable[[], Any]]) -> list[Any]:
        """The results of independent calls, in order. Every call is made; the first error in order is raised."""
        ...
