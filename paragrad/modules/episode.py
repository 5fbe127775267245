"""An episode in progress: one instance of an environment, and what an agent has done in it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from numbers import Real
from typing import Any

from paragrad.errors import MetricError
from paragrad.executors import run_coroutine
from paragrad.modules.observing import plain_data
from paragrad.protocols.data import Episode, Row, Step
from paragrad.protocols.environment import Environment, row_in_progress
from paragrad.trace.bundle import Bundle
from paragrad.trace.nodes import extra_of
from paragrad.trace.operation import PASS, Operation
from paragrad.trace.record import make
from paragrad.trace.state import STATE
from paragrad.trace.values import brief, thaw
from paragrad.trace.variable import Variable, wrap


class EpisodePlay:
    """One agent's episode on one row.

    Args:
        make: makes the environment; None: there is none, only tools.
        row: the row it is played on.

    Attributes:
        steps: one per action, in order. ``output``: what came of it.
        moved: the last move and what the environment showed then.
        reward: the sum so far; None where there are no rewards.
        done: whether the environment said so. ``cut``: why the episode ended before.
    """

    def __init__(self, make: Callable[[], Any] | None, row: Row) -> None:
        self.make = make
        self.row = row
        self.environment: Any = None
        self.steps: list[Step] = []
        self.output: Any = None
        self.reward: float | None = None
        self.moved: tuple[Variable[Any], Variable[Any]] | None = None
        self.done = False
        self.cut = ""

    def reset(self, inputs: Mapping[str, Any]) -> Variable[Any]:
        """Make the environment and begin.

        Raises:
            ExecutionError: it raised.
        """
        observation: Variable[Any] = RESET.call(self, (dict(inputs),), {})
        return observation

    def step(self, action: Variable[Any]) -> Variable[Any]:
        """One move.

        Raises:
            ExecutionError: the environment raised, or returned something else than it must.
        """
        observation: Variable[Any] = STEP.call(self, (action,), {})
        self.moved = (action, observation)
        self.note(Step("step", {"action": action._n.value}, observation._n.value))
        return observation

    def note(self, step: Step) -> None:
        """Remember an action."""
        self.steps.append(replace(step, row=self.row))

    def finish(self, component: str, inputs: Mapping[str, Any]) -> Variable[Any]:
        """The output of an episode of moves: the last one, made of it and of what the environment showed then."""
        assert self.moved is not None
        reply, observation = self.moved
        state = STATE.get()
        if state.steps is not None:
            state.steps.append(Step(component, inputs, reply._n.value))
        node = make(state, reply._n.value, FINISH, [reply._n, observation._n], ["reply", "observation"])
        extra_of(node).call = reply.call
        return wrap(node)

    def episode(self) -> Episode:
        """What was done, for the environment to score."""
        here = row_in_progress()
        return Episode(tuple(self.steps), self.output, self.reward, here.row.id if here is not None else None)

    def close(self) -> None:
        """Close the environment, if it can be closed.

        Raises:
            MetricError: it raised; the message names the row.
        """
        close = getattr(self.environment, "close", None)
        try:
            if close is not None:
                awaited(close())
        except Exception as error:
            raise MetricError(
                f"{type(self.environment).__name__}.close() on row {self.row.id!r} raised {type(error).__name__}: {error}"
            ) from error


def reset(play: EpisodePlay, inputs: Any) -> Any:
    """The first observation of an environment."""
    assert play.make is not None
    play.environment = play.make()
    row = play.row
    fresh = Row(row.id, inputs, thaw(row.target), {name: thaw(value) for name, value in row.meta.items()})
    return plain_data(awaited(play.environment.reset(fresh)))


def step(play: EpisodePlay, action: Any) -> Any:
    """What an environment shows after an action."""
    found = awaited(play.environment.step(action))
    if not isinstance(found, tuple) or len(found) != 3 or not isinstance(found[1], Real):
        name = type(play.environment).__name__
        raise TypeError(f"{name}.step returned {brief(found)}; return (observation, reward, done) with a number as reward")
    observation, reward, done = found
    play.reward = (play.reward or 0.0) + float(reward)
    play.done = bool(done)
    return plain_data(observation)


def awaited(value: Any) -> Any:
    """The result of a method that may be async."""
    return run_coroutine(value) if inspect.iscoroutine(value) else value


def takes_moves(environment: type[Any]) -> bool:
    """Whether an environment class has a ``step`` of its own."""
    own = getattr(environment, "step", None)
    return callable(own) and own is not Environment.step


RESET: Bundle[..., Any] = Bundle(reset)
STEP: Bundle[..., Any] = Bundle(step)
FINISH = Operation("episode", lambda reply, _: reply, ("reply", "observation"), kind="op", description="the last reply of an episode")
FINISH.rules["text"] = PASS
