"""FixedStepGradientDescent: a constant step along the gradient."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from paragrad.rules.base import Rule, State, flag, number
from paragrad.rules.scalars import Scalars


@dataclass(frozen=True)
class FixedStepGradientDescent(Rule):
    """``value + step_size * gradient``.

    Source: the parameter optimization document of Gen (its name says descent, its rule ascends on log probability).

    Args:
        step_size: the factor.
        maximize: True follows the gradient, False goes against it (for losses).
    """

    step_size: float
    maximize: bool = True

    def __post_init__(self) -> None:
        number(self, "step_size", 0)
        flag(self, "maximize")

    @cached_property
    def _factor(self) -> Scalars:
        return Scalars(self.step_size if self.maximize else -self.step_size)

    def step(self, values: Any, gradients: Any, state: State) -> tuple[Any, State]:
        """One step."""
        moved = gradients * self._factor[gradients.dtype]
        moved += values
        return moved, state
