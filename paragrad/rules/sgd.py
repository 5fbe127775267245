"""SGD: stochastic gradient descent with momentum."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from paragrad.rules.base import Rule, State, flag, number
from paragrad.rules.scalars import Scalars


@dataclass(frozen=True)
class SGD(Rule):
    """``velocity = momentum * velocity + gradient``; ``value - lr * velocity``.

    Source: I. Sutskever et al., "On the importance of initialization and momentum in deep learning" (2013), in torch's form.

    Args:
        lr: the step.
        momentum: what is kept of the velocity, from 0 to below 1.
        nesterov: look one step of momentum ahead.
        weight_decay: this share of the value is added to the gradient.
        maximize: True follows the gradient.
    """

    lr: float
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    maximize: bool = False

    def __post_init__(self) -> None:
        number(self, "lr", 0)
        number(self, "momentum", 0, 1)
        number(self, "weight_decay", 0)
        flag(self, "nesterov")
        flag(self, "maximize")
        if self.nesterov and not self.momentum:
            raise ValueError("SGD(nesterov=True) needs a momentum above 0; write momentum=0.9, say")

    def init(self, values: Any) -> State:
        """A velocity of zero, where there is momentum."""
        import numpy

        return {"velocity": numpy.zeros_like(values)} if self.momentum else {}

    @cached_property
    def _factor(self) -> Scalars:
        return Scalars(-self.lr)

    @cached_property
    def _kept(self) -> Scalars:
        return Scalars(self.momentum)

    def step(self, values: Any, gradients: Any, state: State) -> tuple[Any, State]:
        """One step."""
        if self.maximize:
            gradients = -gradients
        if self.weight_decay:
            gradients = gradients + self.weight_decay * values
        along = gradients
        if self.momentum:
            velocity = state["velocity"] * self._kept[gradients.dtype]
            velocity += gradients
            state = {"velocity": velocity}
            along = gradients + self.momentum * velocity if self.nesterov else velocity
        moved = along * self._factor[along.dtype]
        moved += values
        return moved, state
