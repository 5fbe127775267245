"""DecayStepGradientDescent: a step along the gradient that shrinks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from paragrad.rules.base import Rule, State, flag, number


@dataclass(frozen=True)
class DecayStepGradientDescent(Rule):
    """``value + step_t * gradient`` with ``step_t = step_size_init * (beta + 1) / (beta + t)``, t from 1.

    Source: the parameter optimization document of Gen. t is kept with the values, so a resumed run goes on at its t.

    Args:
        step_size_init: the first step.
        step_size_beta: after so many steps the step is about half the first.
        maximize: True follows the gradient, False goes against it (for losses).
    """

    step_size_init: float
    step_size_beta: float
    maximize: bool = True

    def __post_init__(self) -> None:
        number(self, "step_size_init", 0)
        number(self, "step_size_beta", 0)
        flag(self, "maximize")

    def init(self, values: Any) -> State:
        """t starts at 1."""
        return {"t": 1}

    def step_size(self, t: int) -> float:
        """The step of update number ``t``, from 1."""
        return self.step_size_init * (self.step_size_beta + 1) / (self.step_size_beta + t)

    def step(self, values: Any, gradients: Any, state: State) -> tuple[Any, State]:
        """One step."""
        size = self.step_size(state["t"])
        moved = gradients * (size if self.maximize else -size)
        moved += values
        return moved, {"t": state["t"] + 1}
