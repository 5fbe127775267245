"""``delta``: always the same value."""

from __future__ import annotations

from typing import Any

from paragrad.gen.distributions.base import Family, Gradient
from paragrad.gen.distributions.special import INF, choose, is_array


class Delta(Family):
    """All mass on ``point``, of any type; the log mass is 0 there and -inf elsewhere."""

    __slots__ = ()
    kind = "delta"
    names = ("point",)
    batches = False

    @staticmethod
    def draw(rng: Any, point: Any) -> Any:
        return point

    @staticmethod
    def log_density(value: Any, point: Any) -> Any:
        if not is_array(point):
            return choose(value == point, 0.0, -INF)
        import numpy

        return 0.0 if numpy.array_equal(value, point) else -INF

    @staticmethod
    def log_density_grad(value: Any, point: Any) -> Gradient:
        return None, (None,)
