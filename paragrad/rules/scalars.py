"""Numbers of a rule as arrays of no dimension: numpy takes them at once, a Python number it looks at for a microsecond in every operation."""

from __future__ import annotations

from typing import Any


class Scalars(dict[Any, Any]):
    """A constant of a rule in each element type it met, read-only; what changes from step to step stays a Python number.

    A rule keeps one per constant, in a ``cached_property``.
    """

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def __missing__(self, kind: Any) -> Any:
        import numpy

        self[kind] = made = numpy.array(self.value, kind)
        made.setflags(write=False)
        return made
