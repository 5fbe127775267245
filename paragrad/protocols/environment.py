"""Environment: an interactive task that an agent plays; and the row that is being answered, with what was played on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

from paragrad.protocols.data import Episode, Row


class Environment:
    """An interactive task. Subclass it; every episode gets an instance of its own, so nothing is shared between threads.

    Its methods with ``@pg.tool`` are the agent's tools. With :meth:`step`, what the agent replies is done
    there (a text game, a simulated user), until the episode is done. A class that only has the same methods will do too.
    """

    def reset(self, row: Row) -> Any:
        """Begin: set the state up from ``row`` (a copy of it) and return what the agent sees first; None: the inputs as they are."""
        return None

    def step(self, action: Any) -> tuple[Any, float, bool]:
        """One move: what the agent sees next, the reward of this move, and whether the episode is over."""
        raise NotImplementedError(f"{type(self).__name__} takes no actions; define step(self, action) -> (observation, reward, done)")

    def score(self, episode: Episode) -> Any:
        """How the episode went: whatever a metric may return; 1 is perfect. By default the sum of its rewards.

        Args:
            episode: its ``steps``, one per action; ``output``; ``score``, the sum of the rewards so far.
        """
        if episode.score is None:
            raise NotImplementedError(f"{type(self).__name__} gives no rewards; define score(self, episode) -> pg.Feedback(score, text)")
        return episode.score

    def close(self) -> None:
        """Let go of what it holds; called once, after the episode was scored."""


class Play(Protocol):
    """One episode as it is played."""

    environment: Any
    cut: str

    def episode(self) -> Episode:
        """What was done."""

    def close(self) -> None:
        """Close the environment."""


class Answering:
    """One row being answered.

    Attributes:
        row: the row.
        plays: the episodes that agents have played on it, in order.
    """

    __slots__ = ("plays", "row")

    def __init__(self, row: Row) -> None:
        self.row = row
        self.plays: list[Play] = []


_ANSWERING: ContextVar[Answering | None] = ContextVar("paragrad_answering", default=None)


def row_in_progress() -> Answering | None:
    """The row that is being answered in this context; None outside of an evaluation."""
    return _ANSWERING.get()


@contextmanager
def answering(row: Row) -> Iterator[Answering]:
    """Answer a row, have it scored, and close what was played."""
    made = Answering(row)
    token = _ANSWERING.set(made)
    try:
        yield made
    finally:
        _ANSWERING.reset(token)
        for play in made.plays:
            play.close()
