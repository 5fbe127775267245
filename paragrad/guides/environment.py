"""The guide of interactive tasks: the environment that an agent has played says how the episode went."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from typing import Any

from paragrad.errors import UsageError
from paragrad.executors import run_coroutine
from paragrad.guides.guide import AutoGuide, as_feedback, score_of
from paragrad.protocols.environment import Environment, Play, row_in_progress
from paragrad.protocols.gradient import Feedback

__all__ = ["Environment", "EnvironmentGuide"]


class EnvironmentGuide(AutoGuide):
    """Asks the environment that played the row for its score; ``metric="environment"`` is this guide.

    Where several episodes were played on a row, the score is their mean, and all their words are said.
    """

    def get_feedback(self, query: Any = None, response: Any = None, reference: Any = None) -> Feedback:
        """The feedback of the row that is being scored.

        Raises:
            UsageError: no agent of the program has played an environment.
        """
        here = row_in_progress()
        if here is None or not here.plays:
            raise UsageError(
                'nothing was played: metric="environment" needs an agent with an Environment, pg.Agent(..., tools=MyEnvironment); '
                "score other programs with a metric of the output"
            )
        return _together([_scored(play, here.row.id) for play in here.plays])


def _scored(play: Play, row: str) -> Feedback:
    """One episode's feedback; the words say so when it was cut."""
    who = f"{type(play.environment).__name__}.score on row {row!r}"
    answer = play.environment.score(play.episode())
    found = as_feedback(run_coroutine(answer) if inspect.iscoroutine(answer) else answer, who)
    words = "\n".join(str(part) for part in (found.text, play.cut) if part)
    return Feedback(found.score, words or None, **found.metrics)


def _together(found: Sequence[Feedback]) -> Feedback:
    if len(found) == 1:
        return found[0]
    metrics: dict[str, list[float]] = {}
    for feedback in found:
        for name, value in feedback.metrics.items():
            metrics.setdefault(name, []).append(float(value))
    words = "\n".join(str(feedback.text) for feedback in found if feedback.text)
    return Feedback(_mean([score_of(f) for f in found]), words or None, **{name: _mean(values) for name, values in metrics.items()})


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
