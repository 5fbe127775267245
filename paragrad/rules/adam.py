"""Adam and AdamW: steps scaled by running moments of the gradient."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from paragrad.rules.base import Rule, State, flag, number
from paragrad.rules.scalars import Scalars


@dataclass(frozen=True)
class Adam(Rule):
    """Adam; ``weight_decay`` is added to the gradient.

    Source: D. Kingma, J. Ba, "Adam: a method for stochastic optimization" (2015), in torch's form.

    Args:
        lr: the step.
        betas: what is kept of the first and of the second moment, each from 0 to below 1.
        eps: added to the denominator.
        weight_decay: this share of the value is added to the gradient (AdamW: taken off the value).
        maximize: True follows the gradient.
    """

    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    maximize: bool = False
    decoupled: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for name in ("lr", "eps", "weight_decay"):
            number(self, name, 0)
        flag(self, "maximize")
        betas = self.betas
        wrong = not isinstance(betas, tuple | list) or len(betas) != 2
        if wrong or not all(isinstance(beta, int | float) and not isinstance(beta, bool) and 0 <= beta < 1 for beta in betas):
            raise ValueError(f"{type(self).__name__}(betas={betas!r:.60}): betas are two numbers from 0 to below 1, such as (0.9, 0.999)")
        object.__setattr__(self, "betas", (float(betas[0]), float(betas[1])))

    def init(self, values: Any) -> State:
        """Sums of zero; t counts steps."""
        import numpy

        return {"t": 0, "first": numpy.zeros_like(values), "second": numpy.zeros_like(values)}

    @cached_property
    def _kept(self) -> tuple[Scalars, Scalars]:
        return Scalars(self.betas[0]), Scalars(self.betas[1])

    def step(self, values: Any, gradients: Any, state: State) -> tuple[Any, State]:
        """One step.

        ``first`` and ``second`` are the moments over ``1 - beta``, and all corrections are folded into two numbers:
        ten passes over the arrays in place of fifteen.
        """
        import numpy

        one, two = self.betas
        t = state["t"] + 1
        if self.maximize:
            gradients = -gradients
        if self.weight_decay and not self.decoupled:
            gradients = gradients + self.weight_decay * values
        kind = values.dtype
        first = state["first"] * self._kept[0][kind]
        first += gradients
        part = gradients * gradients
        second = state["second"] * self._kept[1][kind]
        second += part
        root = numpy.sqrt(second, out=part)
        scale = ((1 - two**t) / (1 - two)) ** 0.5
        root += self.eps * scale
        numpy.divide(first, root, out=root)
        root *= -self.lr * scale * (1 - one) / (1 - one**t)
        if self.weight_decay and self.decoupled:
            root -= self.lr * self.weight_decay * values
        root += values
        return root, {"t": t, "first": first, "second": second}


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam whose weight decay is taken off the value, not added to the gradient.

    Source: I. Loshchilov, F. Hutter, "Decoupled weight decay regularization" (2019).
    """

    weight_decay: float = 1e-2
    decoupled: ClassVar[bool] = True
