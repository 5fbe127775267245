"""Numbers of a rule as arrays of no dimension: numpy takes them at once, a Python number it looks at for a microsecond in every operation."""

from __future__ import annotations

from functools import lru_cache
from typing import Any


@lru_cache(maxsize=1024)
def scalar(value: float, dtype: Any) -> Any:
    """A constant of a rule in the type of the values, read-only; what changes from step to step stays a Python number."""
    import numpy

    made = numpy.array(value, dtype)
    made.setflags(write=False)
    return made
