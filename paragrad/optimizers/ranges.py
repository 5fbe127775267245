"""The range in which a number is searched: its bounds, and where it has none a wide stretch around its first value."""

from __future__ import annotations

from typing import Any

WIDE = 5.0
"""Half the width of a range without bounds, in units of the first value (at least 1)."""

DECADES = 1e3
"""Factor up to which an unbounded number on a log scale is searched."""


def range_of(parameter: Any, reach: float = WIDE) -> tuple[float, float]:
    """Lowest and highest value worth trying for a Number, inside its bounds.

    Args:
        parameter: a Parameter, or its evidence; its value is inside the range.
        reach: half the width where there are no bounds, in units of the value (at least 1).
    """
    spec = parameter.space.spec()
    value = float(parameter.value)
    low, high = spec.get("low"), spec.get("high")
    if spec.get("log"):
        low = value / DECADES if low is None else low
        high = max(value, low) * DECADES if high is None else high
    else:
        width = reach * max(abs(value), 1.0)
        low = value - width if low is None else low
        high = max(value, low) + width if high is None else high
    if spec.get("integer"):
        return float(-(-low // 1)), float(high // 1)
    return float(low), float(high)
