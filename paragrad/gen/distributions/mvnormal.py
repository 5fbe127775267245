"""Normal arrays: ``broadcasted_normal`` (independent entries) and ``mvnormal`` (with a covariance)."""

from __future__ import annotations

from typing import Any

from paragrad.errors import UsageError
from paragrad.gen.distributions.base import Family, Gradient
from paragrad.gen.distributions.counting import normals
from paragrad.gen.distributions.special import LOG_ROOT_2PI, require_positive


class BroadcastedNormal(Family):
    """Independent normals of the shape that ``mean`` and ``std`` broadcast to."""

    __slots__ = ()
    kind = "broadcasted_normal"
    names = ("mean", "std")
    differentiable = True
    batches = False

    @staticmethod
    def draw(rng: Any, mean: Any, std: Any) -> Any:
        import numpy

        mean, std = _arrays(mean, std)
        shape = numpy.broadcast_shapes(mean.shape, std.shape)
        return mean + std * normals(rng, int(numpy.prod(shape))).reshape(shape)

    @staticmethod
    def log_density(value: Any, mean: Any, std: Any) -> Any:
        import numpy

        mean, std = _arrays(mean, std)
        z = (_valued(value, mean, std) - mean) / std
        return float((-0.5 * z * z - numpy.log(std) - LOG_ROOT_2PI).sum())

    @staticmethod
    def log_density_grad(value: Any, mean: Any, std: Any) -> Gradient:
        mean, std = _arrays(mean, std)
        z = (_valued(value, mean, std) - mean) / std
        slope = z / std
        return -slope, (_shaped(slope, mean.shape), _shaped((z * z - 1.0) / std, std.shape))


class MvNormal(Family):
    """Multivariate normal with ``mean`` (d) and covariance ``cov`` (d, d), symmetric and positive definite.

    The gradient by ``cov`` is that of a free matrix; it is symmetric.
    """

    __slots__ = ()
    kind = "mvnormal"
    names = ("mean", "cov")
    differentiable = True
    batches = False

    @staticmethod
    def draw(rng: Any, mean: Any, cov: Any) -> Any:
        mean, lower = _factored(mean, cov)
        return mean + lower @ normals(rng, len(mean))

    @staticmethod
    def log_density(value: Any, mean: Any, cov: Any) -> Any:
        import numpy

        mean, lower = _factored(mean, cov)
        z = numpy.linalg.solve(lower, _row(value, mean) - mean)
        return float(-0.5 * (z @ z) - numpy.log(numpy.diag(lower)).sum() - len(mean) * LOG_ROOT_2PI)

    @staticmethod
    def log_density_grad(value: Any, mean: Any, cov: Any) -> Gradient:
        import numpy

        mean, lower = _factored(mean, cov)
        inverse = numpy.linalg.inv(lower)
        precision = inverse.T @ inverse
        slope = precision @ (_row(value, mean) - mean)
        return -slope, (slope, 0.5 * (numpy.outer(slope, slope) - precision))


def _arrays(mean: Any, std: Any) -> tuple[Any, Any]:
    import numpy

    mean, std = numpy.asarray(mean, dtype=float), numpy.asarray(std, dtype=float)
    require_positive(std, "broadcasted_normal", "std")
    try:
        numpy.broadcast_shapes(mean.shape, std.shape)
    except ValueError:
        raise UsageError(f"broadcasted_normal: mean has shape {mean.shape} and std {std.shape}; they do not fit together") from None
    return mean, std


def _valued(value: Any, mean: Any, std: Any) -> Any:
    import numpy

    array, shape = numpy.asarray(value, dtype=float), numpy.broadcast_shapes(mean.shape, std.shape)
    if array.shape != shape:
        raise UsageError(f"broadcasted_normal: the value has shape {array.shape}, not {shape}")
    return array


def _shaped(slope: Any, shape: tuple[int, ...]) -> Any:
    """The slope summed over the dimensions in which an argument of ``shape`` was repeated."""
    extra = tuple(range(slope.ndim - len(shape)))
    repeated = tuple(i + len(extra) for i, n in enumerate(shape) if n == 1)
    return slope.sum(axis=(*extra, *repeated)).reshape(shape)


def _factored(mean: Any, cov: Any) -> tuple[Any, Any]:
    import numpy

    mean, cov = numpy.asarray(mean, dtype=float), numpy.asarray(cov, dtype=float)
    if mean.ndim != 1 or cov.shape != (len(mean), len(mean)):
        raise UsageError(f"mvnormal: mean has shape {mean.shape} and cov {cov.shape}; they must be (d,) and (d, d)")
    if not numpy.allclose(cov, cov.T, rtol=1e-8, atol=1e-12):
        raise UsageError(f"mvnormal: cov is not symmetric: {cov!r:.80}")
    try:
        return mean, numpy.linalg.cholesky(cov)
    except numpy.linalg.LinAlgError:
        raise UsageError(f"mvnormal: cov is not positive definite: {cov!r:.80}") from None


def _row(value: Any, mean: Any) -> Any:
    import numpy

    array = numpy.asarray(value, dtype=float)
    if array.shape != mean.shape:
        raise UsageError(f"mvnormal: the value has shape {array.shape}, not {mean.shape}")
    return array
