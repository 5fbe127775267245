"""Normal arrays: ``broadcasted_normal`` (independent entries) and ``mvnormal`` (with a covariance)."""

from __future__ import annotations

from typing import Any

from paragrad.errors import UsageError
from paragrad.gen.distributions.base import Family, Gradient
from paragrad.gen.distributions.batch import as_given, batch_size, in_run, is_batch, table
from paragrad.gen.distributions.counting import normals
from paragrad.gen.distributions.special import LOG_ROOT_2PI, require_positive


class BroadcastedNormal(Family):
    """Independent normals of the shape that ``mean`` and ``std`` broadcast to.

    In a batch an argument of as many rows as there are samples has one row per sample.
    """

    __slots__ = ()
    kind = "broadcasted_normal"
    names = ("mean", "std")
    differentiable = True

    @staticmethod
    def draw(rng: Any, mean: Any, std: Any) -> Any:
        import numpy

        size = rng.size if is_batch(rng) else None
        mean, std, shape = _arrays(mean, std, size)
        if size is not None:
            return mean + std * rng.generator.standard_normal((size, *shape))
        return mean + std * normals(rng, int(numpy.prod(shape))).reshape(shape)

    @staticmethod
    def log_density(value: Any, mean: Any, std: Any) -> Any:
        import numpy

        value, mean, std, many = _fitting(value, mean, std)
        z = (value - mean) / std
        terms = -0.5 * z * z - numpy.log(std) - LOG_ROOT_2PI
        return terms.reshape(len(terms), -1).sum(-1) if many else float(terms.sum())

    @staticmethod
    def log_density_grad(value: Any, mean: Any, std: Any) -> Gradient:
        shapes = _shape(mean), _shape(std)
        value, mean, std, many = _fitting(value, mean, std)
        z = (value - mean) / std
        slope = z / std
        found = slope, (z * z - 1.0) / std
        return -slope, tuple([_shaped(each, shape, many) for each, shape in zip(found, shapes, strict=True)])


class MvNormal(Family):
    """Multivariate normal with ``mean`` (d) and covariance ``cov`` (d, d), symmetric and positive definite.

    The gradient by ``cov`` is that of a free matrix; it is symmetric. In a batch both are the same for all samples, or
    have one row, or matrix, per sample, or are lists in which each number may have one entry per sample.
    """

    __slots__ = ()
    kind = "mvnormal"
    names = ("mean", "cov")
    differentiable = True

    @staticmethod
    def draw(rng: Any, mean: Any, cov: Any) -> Any:
        mean, lower = _factored(mean, cov)
        if is_batch(rng):
            return mean + _times(lower, rng.generator.standard_normal((rng.size, mean.shape[-1])))
        return mean + lower @ normals(rng, len(mean))

    @staticmethod
    def log_density(value: Any, mean: Any, cov: Any) -> Any:
        import numpy

        mean, lower = _factored(mean, cov)
        z = numpy.linalg.solve(lower, (_row(value, mean) - mean)[..., None])[..., 0]
        spread = numpy.log(numpy.diagonal(lower, axis1=-2, axis2=-1)).sum(-1)
        found = -0.5 * (z * z).sum(-1) - spread - mean.shape[-1] * LOG_ROOT_2PI
        return found if found.ndim else float(found)

    @staticmethod
    def log_density_grad(value: Any, mean: Any, cov: Any) -> Gradient:
        import numpy

        given, (mean, lower) = (mean, cov), _factored(mean, cov)
        inverse = numpy.linalg.inv(lower)
        precision = numpy.swapaxes(inverse, -1, -2) @ inverse
        slope = _times(precision, _row(value, mean) - mean)
        d_cov = 0.5 * (slope[..., :, None] * slope[..., None, :] - precision)
        nested = 2 if isinstance(given[1], list | tuple) and all(isinstance(row, list | tuple) for row in given[1]) else 1
        return -slope, (as_given(slope, given[0]), as_given(d_cov, given[1], nested) if nested == 2 else d_cov)


def _arrays(mean: Any, std: Any, size: int | None) -> tuple[Any, Any, tuple[int, ...]]:
    """Both arguments, aligned where they have a row per sample, and the shape of one sample's value."""
    import numpy

    mean, std = numpy.asarray(mean, dtype=float), numpy.asarray(std, dtype=float)
    require_positive(std, "broadcasted_normal", "std")
    own = [array.shape[1:] if size is not None and array.shape[:1] == (size,) else array.shape for array in (mean, std)]
    try:
        shape = numpy.broadcast_shapes(*own)
    except ValueError:
        raise UsageError(f"broadcasted_normal: mean has shape {mean.shape} and std {std.shape}; they do not fit together") from None
    mean, std = (
        array.reshape(size, *[1] * (len(shape) - len(each)), *each) if each != array.shape else array
        for array, each in zip((mean, std), own, strict=True)
    )
    return mean, std, shape


def _fitting(value: Any, mean: Any, std: Any) -> tuple[Any, Any, Any, bool]:
    """Value and arguments as arrays that fit together, and whether they are those of many samples."""
    import numpy

    array, size = numpy.asarray(value, dtype=float), batch_size()
    if size is None and not in_run() and array.ndim > max(len(_shape(mean)), len(_shape(std))):
        size = len(array)
    mean, std, shape = _arrays(mean, std, size)
    if size is not None and array.shape == shape:  # one value for all samples
        array = numpy.broadcast_to(array, (size, *shape))
    if array.shape != (shape if size is None else (size, *shape)):
        raise UsageError(f"broadcasted_normal: the value has shape {array.shape}, not {shape}")
    return array, mean, std, size is not None


def _shape(array: Any) -> tuple[int, ...]:
    import numpy

    return numpy.shape(array)


def _shaped(slope: Any, shape: tuple[int, ...], many: bool) -> Any:
    """The slope summed over the dimensions in which an argument of ``shape`` was repeated; samples stay apart."""
    first = 1 if many else 0
    own = shape[1:] if many and shape[:1] == slope.shape[:1] else shape
    extra = tuple(range(first, slope.ndim - len(own)))
    repeated = tuple(i + len(extra) + first for i, n in enumerate(own) if n == 1)
    return slope.sum(axis=(*extra, *repeated)).reshape(slope.shape[:first] + own)


def _factored(mean: Any, cov: Any) -> tuple[Any, Any]:
    import numpy

    mean, cov = table(mean), table(cov, 2)
    if not 0 < mean.ndim < 3 or not 1 < cov.ndim < 4 or cov.shape[-2:] != (mean.shape[-1],) * 2:
        raise UsageError(f"mvnormal: mean has shape {mean.shape} and cov {cov.shape}; they must be (d,) and (d, d)")
    if not numpy.allclose(cov, numpy.swapaxes(cov, -1, -2), rtol=1e-8, atol=1e-12):
        raise UsageError(f"mvnormal: cov is not symmetric: {cov!r:.80}")
    try:
        return mean, numpy.linalg.cholesky(cov)
    except numpy.linalg.LinAlgError:
        raise UsageError(f"mvnormal: cov is not positive definite: {cov!r:.80}") from None


def _times(matrix: Any, rows: Any) -> Any:
    """The matrix, or each sample's, times each row."""
    return (matrix @ rows[..., None])[..., 0]


def _row(value: Any, mean: Any) -> Any:
    array = table(value)
    if not 0 < array.ndim < 3 or array.shape[-1] != mean.shape[-1] or (array.ndim == 2 and in_run() and batch_size() is None):
        raise UsageError(f"mvnormal: the value has shape {array.shape}, not {mean.shape}")
    return array
