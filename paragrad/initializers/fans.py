"""Fans: how many inputs and outputs an element of a weight takes part in; and the gain of what follows it."""

from __future__ import annotations

import math

GAINS = {"linear": 1.0, "conv": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 0.75}
MODES = ("fan_in", "fan_out")


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Inputs and outputs: ``shape[1]`` and ``shape[0]``, each times the receptive field (the product of the rest)."""
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field


def gain(nonlinearity: str, negative_slope: float) -> float:
    """What keeps the variance through a nonlinearity (He et al. 2015)."""
    return math.sqrt(2 / (1 + negative_slope**2)) if nonlinearity == "leaky_relu" else GAINS[nonlinearity]


def refuse_unknown(name: str, value: str, known: tuple[str, ...]) -> None:
    """Say that an option is none of ``known``.

    Raises:
        ValueError: it is not.
    """
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}, got {value!r}")


def refuse_negative(name: str, value: float) -> None:
    """Say that a width or gain is no finite number from 0 up.

    Raises:
        ValueError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        raise ValueError(f"{name} must be a finite number from 0 up, got {value!r}")
