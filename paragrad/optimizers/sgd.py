"""SGD: gradient descent with momentum, as an optimizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paragrad import rules
from paragrad.optimizers.descent import Descent


class SGD(Descent):
    """Stochastic gradient descent; see :class:`paragrad.rules.SGD`.

    Args:
        parameters: Numbers and Tensors to bind to, or None.
        lr: the step.
        momentum: what is kept of the velocity, from 0 to below 1.
        nesterov: look one step of momentum ahead.
        weight_decay: this share of the value is added to the gradient.
        maximize: go along the gradient.
    """

    def __init__(
        self,
        parameters: Sequence[Any] | None = None,
        *,
        lr: float = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        maximize: bool = False,
    ) -> None:
        super().__init__(rules.SGD(lr, momentum, nesterov, weight_decay, maximize), parameters)
