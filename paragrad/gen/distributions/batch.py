"""``BatchRandom``: one draw gives one number per sample, so one run of a function is many."""

from __future__ import annotations

from typing import Any

from paragrad.gen.calling import RUNNING


class BatchRandom:
    """The methods of ``random.Random`` that distributions use, each giving an array of ``size`` independent draws.

    Args:
        generator: a ``numpy.random.Generator``.
        size: samples per draw.
    """

    __slots__ = ("generator", "size")

    def __init__(self, generator: Any, size: int) -> None:
        self.generator = generator
        self.size = size

    def random(self) -> Any:
        """Uniform on [0, 1)."""
        return self.generator.random(self.size)

    def gauss(self, mean: Any, std: Any) -> Any:
        """Normal draws."""
        drawn = self.generator.standard_normal(self.size)
        if mean.__class__ is float and std.__class__ is float:
            drawn *= std
            drawn += mean
            return drawn
        return drawn * std + mean

    def expovariate(self, rate: Any) -> Any:
        """Exponential draws."""
        return self.generator.standard_exponential(self.size) / rate

    def gammavariate(self, shape: Any, scale: Any) -> Any:
        """Gamma draws."""
        return self.generator.gamma(shape, scale, self.size)

    def betavariate(self, alpha: Any, beta: Any) -> Any:
        """Beta draws."""
        return self.generator.beta(alpha, beta, self.size)

    def poisson(self, rate: Any) -> Any:
        """Poisson counts."""
        return self.generator.poisson(rate, self.size)

    def binomial(self, n: Any, p: Any) -> Any:
        """Binomial counts."""
        return self.generator.binomial(n, p, self.size)


def batch_size() -> int | None:
    """How many samples are run at once just now, where that matters: an array of so many rows may be one row per sample."""
    run: Any = RUNNING.get()
    return getattr(run, "size", None)


def in_run() -> bool:
    """Whether a generative function is running, so that ``batch_size`` is known for sure."""
    return RUNNING.get() is not None


def is_batch(rng: Any) -> bool:
    """Whether a draw is wanted for every sample."""
    return rng.__class__ is BatchRandom


def table(values: Any, depth: int = 1) -> Any:
    """An argument with ``depth`` axes of its own as an array: they come last, the samples first.

    Args:
        values: an array, or lists of numbers and of arrays with one entry per sample.
    """
    import numpy

    if depth == 0 or not isinstance(values, list | tuple) or (depth > 1 and not all(isinstance(row, list | tuple) for row in values)):
        return numpy.asarray(values, dtype=float)
    parts: Any = [table(part, depth - 1) for part in values]
    if len({part.shape for part in parts}) > 1:
        parts = numpy.broadcast_arrays(*parts)
    return numpy.stack(parts, axis=-depth) if parts else numpy.zeros(0)


def as_given(slope: Any, values: Any, depth: int = 1) -> Any:
    """A derivative in the form of its argument: a list of parts where that is a list."""
    import numpy

    if depth == 0 or not isinstance(values, list | tuple):
        return slope
    return [as_given(part, own, depth - 1) for part, own in zip(numpy.moveaxis(slope, -depth, 0), values, strict=True)]
