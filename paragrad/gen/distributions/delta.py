"""``delta``: always the same value."""

from __future__ import annotations

from typing import Any

from paragrad.gen.distributions.base import Family, Gradient
from paragrad.gen.distributions.batch import batch_size, is_batch
from paragrad.gen.distributions.special import INF, choose, is_array


class Delta(Family):
    """All mass on ``point``, of any type; the log mass is 0 there and -inf elsewhere.

    In a batch an array of as many rows as there are samples is one point per sample.
    """

    __slots__ = ()
    kind = "delta"
    names = ("point",)

    @staticmethod
    def draw(rng: Any, point: Any) -> Any:
        if not is_batch(rng) or not (is_array(point) or isinstance(point, float | int)):
            return point
        import numpy

        shape = numpy.shape(point)
        return numpy.broadcast_to(point, shape if shape[:1] == (rng.size,) else (rng.size, *shape))

    @staticmethod
    def log_density(value: Any, point: Any) -> Any:
        ndim, size = getattr(value, "ndim", 0), batch_size()
        if not is_array(point) and ndim < 2:
            return choose(value == point, 0.0, -INF)
        import numpy

        each = size is not None and (size,) in (numpy.shape(value)[:1], numpy.shape(point)[:1])
        if each or ndim > numpy.ndim(point):
            same = numpy.equal(value, point)
            return choose(same.reshape(len(same), -1).all(-1), 0.0, -INF)
        return 0.0 if numpy.array_equal(value, point) else -INF

    @staticmethod
    def log_density_grad(value: Any, point: Any) -> Gradient:
        return None, (None,)
