"""Tasks of gymnasium as environments. (Towers et al., "Gymnasium: A Standard Interface for Reinforcement Learning Environments", 2024.)"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from paragrad.errors import not_installed
from paragrad.protocols.data import Row
from paragrad.protocols.environment import Environment

_MARK = re.compile(r"\x1b\[[\d;]*m(.*?)\x1b\[0m")  # what a terminal shows in colour


class GymEnvironment(Environment):
    """A gymnasium task, played in words: ``pg.Agent(..., tools=partial(GymEnvironment, "FrozenLake-v1"), output=int)``.

    The agent's answers are the actions (``output=int`` for numbered ones, ``list[float]`` for a box); what it sees is the
    observation as text (``ansi`` rendering where the task has it).
    A row's input, column or target ``seed`` seeds the task; without one, the row's id does.

    Args:
        id: a registered task, or a function that makes one.
        **options: for ``gymnasium.make``.

    Raises:
        UsageError: gymnasium is not installed.
    """

    def __init__(self, id: Any, **options: Any) -> None:
        self.task: Any = id(**options) if callable(id) else _made(id, options)
        self.shown = getattr(self.task, "render_mode", None) == "ansi"

    def reset(self, row: Row) -> Any:
        """The first observation, with the actions there are."""
        seed = row.inputs.get("seed", row.meta.get("seed"))
        number = int(seed) if seed is not None else int.from_bytes(hashlib.sha256(row.id.encode()).digest()[:4], "big")
        observation, _ = self.task.reset(seed=number)
        self.task.action_space.seed(number)
        return f"{self._seen(observation)}\n{self._actions()}"

    def step(self, action: Any) -> tuple[Any, float, bool]:
        """One move; an action that there is not costs nothing and says so."""
        space = self.task.action_space
        chosen = self._action(action)
        if chosen is None or not space.contains(chosen):
            return f"{action!r} is no action here. {self._actions()}", 0.0, False
        observation, reward, terminated, truncated, _ = self.task.step(chosen)
        return self._seen(observation), float(reward), bool(terminated or truncated)

    def close(self) -> None:
        """Let go of windows and simulators."""
        self.task.close()

    def _action(self, action: Any) -> Any:
        """An agent's answer as the task's action, or None."""
        import numpy as np

        space = self.task.action_space
        try:
            if space.dtype is str:
                return str(action)
            given = json.loads(action) if isinstance(action, str) else action
            return int(given) if hasattr(space, "start") else np.asarray(given, dtype=space.dtype)
        except (TypeError, ValueError):
            return None

    def _seen(self, observation: Any) -> Any:
        return _MARK.sub(r"[\1]", str(self.task.render())) if self.shown else _short(observation)

    def _actions(self) -> str:
        space = self.task.action_space
        if hasattr(space, "start"):  # numbered actions
            return f"Answer with an action from {space.start} to {space.start + space.n - 1}."
        return f"Answer with an action from {space}."


def _made(id: str, options: dict[str, Any]) -> Any:
    try:
        import gymnasium
    except ImportError as error:
        raise not_installed(f"the task {id!r}", "gymnasium", "gym") from error
    return gymnasium.make(id, **options)


def _short(observation: Any) -> str:
    """An observation in words; numbers to four digits."""
    if hasattr(observation, "tolist"):
        observation = observation.tolist()
    if isinstance(observation, dict):
        return "\n".join(f"{name}: {_short(value)}" for name, value in observation.items())
    if isinstance(observation, (list, tuple)):
        return f"[{', '.join(_short(part) for part in observation)}]"
    return f"{observation:.4g}" if isinstance(observation, float) else str(observation)
