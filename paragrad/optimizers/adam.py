"""Adam: steps scaled by running moments of the gradient, as an optimizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paragrad import rules
from paragrad.optimizers.descent import Descent


class Adam(Descent):
    """Adam; see :class:`paragrad.rules.Adam`.

    Args:
        parameters: Numbers and Tensors to bind to, or None.
        lr: the step.
        betas: what is kept of the first and of the second moment.
        eps: added to the denominator.
        weight_decay: this share of the value is added to the gradient.
        decoupled: take the weight decay off the value instead (AdamW).
        maximize: go along the gradient.
    """

    def __init__(
        self,
        parameters: Sequence[Any] | None = None,
        *,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled: bool = False,
        maximize: bool = False,
    ) -> None:
        super().__init__((rules.AdamW if decoupled else rules.Adam)(lr, betas, eps, weight_decay, maximize), parameters)
