"""Neighbouring values of choices and numbers."""

from __future__ import annotations

from typing import Any

from paragrad.protocols.evidence import ParameterEvidence


def other_options(parameter: ParameterEvidence) -> list[Any]:
    """Every other value of a Choice, in its order."""
    options = parameter.space.spec()["options"]
    return [option for option in options if not (option == parameter.value and type(option) is type(parameter.value))]


def steps_from(parameter: ParameterEvidence) -> list[float]:
    """Smaller and larger numbers: a tenth and a third of the range, or factors of 1.5 and 3; inside the bounds."""
    spec = parameter.space.spec()
    low, high, value = spec.get("low"), spec.get("high"), float(parameter.value)
    if spec.get("log") and value > 0:
        reached = [value * f for f in (1 / 3, 1 / 1.5, 1.5, 3)]
    else:
        size = (high - low) / 10 if low is not None and high is not None else abs(value) / 5 or 1.0
        size = max(1.0, round(size)) if spec.get("integer") else size
        reached = [value + k * size for k in (-3, -1, 1, 3)]
    clipped = [min(max(x, low if low is not None else x), high if high is not None else x) for x in reached]
    rounded = [round(x) if spec.get("integer") else x for x in clipped]
    return [x for x in dict.fromkeys(rounded) if x != parameter.value]
