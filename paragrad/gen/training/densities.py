"""Log densities and derivatives of many choices at once: of samples one after another, and of samples that are rows of arrays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import log
from typing import Any

from paragrad.gen.backprop import scaled, spread
from paragrad.gen.calling import RUNNING
from paragrad.gen.distributions.normal import Normal
from paragrad.gen.distributions.special import LOG_ROOT_2PI
from paragrad.gen.tape import Tracked

Density = tuple[Any, Any, tuple[Any, ...], tuple[Any, ...]]
"""Family, value, arguments, arguments without their tracking."""


class Unfit(Exception):
    """A body says something that only a run with a trace can answer."""


class Densities:
    """Choices of many samples by family, as arrays.

    Attributes:
        scores: per sample the sum of its log densities.
    """

    __slots__ = ("_groups", "scores")

    def __init__(self, densities: list[Density], counts: list[int], tracked: bool) -> None:
        import numpy

        rows = numpy.repeat(numpy.arange(len(counts)), counts)
        families: dict[Any, list[int]] = {}
        for place, density in enumerate(densities):
            families.setdefault(density[0], []).append(place)
        self.scores = numpy.zeros(len(counts))
        self._groups: list[tuple[Any, Any, list[tuple[Any, ...]]]] = []
        for family, places in families.items():
            own, chosen = (rows, densities) if len(families) == 1 else (rows[places], [densities[place] for place in places])
            try:
                self._add(family, own, chosen, tracked)
            except Unfit:  # arguments of several shapes: one shape after another
                shapes: dict[Any, list[int]] = {}
                for place, density in enumerate(chosen):
                    shapes.setdefault(_shapes(density[3]), []).append(place)
                if len(shapes) == 1:
                    raise
                for alike in shapes.values():
                    self._add(family, own[alike], [chosen[place] for place in alike], tracked)

    def _add(self, family: Any, rows: Any, chosen: list[Density], tracked: bool) -> None:
        """Choices of one family and of arguments of one shape."""
        import numpy

        values, columns = _columns(chosen)
        with _sized(len(values)):
            self.scores += numpy.bincount(rows, family.log_density(values, *columns), len(self.scores))
            if tracked:
                self._groups.append((rows, family.log_density_grad(values, *columns)[1], [d[2] for d in chosen]))

    def over(self, other: Densities) -> Any:
        """Per sample, its score here less its score there."""
        return self.scores - other.scores

    def seed(self, factors: Any, share: float = 1.0, total: float | None = None) -> None:
        """Hand every choice's derivatives, times its sample's factor and ``share``, to the arguments.

        Args:
            total: the sum of the factors, where it is known.
        """
        factors = factors * share
        for rows, slopes, args in self._groups:
            scale = factors[rows]
            for column, slope in zip(zip(*args, strict=True), slopes, strict=True):
                if slope is None:
                    continue
                grads = scaled(slope, scale)
                for arg, grad in zip(column, grads.tolist() if grads.ndim == 1 else grads, strict=True):
                    if arg.__class__ is Tracked:
                        arg.grad = grad if arg.grad is None else arg.grad + grad
                    elif arg.__class__ is list or arg.__class__ is tuple:
                        spread(arg, grad.tolist(), 1.0)


class Together:
    """Choices of one run in which every value is an array with an entry per sample. ``scores`` as in :class:`Densities`.

    The log densities of normals are kept as one constant and one sum of squares, from which the scores are made.
    """

    __slots__ = ("_constant", "_normals", "_others", "_plain", "_size", "_squares")

    def __init__(self, densities: list[Density], size: int) -> None:
        import numpy

        self._size = size
        self._normals: list[tuple[Any, Any, float, tuple[Any, ...]]] = []
        self._others: list[Density] = []
        self._plain: Any = None
        squares, constant, array, shape = None, 0.0, numpy.ndarray, (size,)
        for density in densities:
            family, value, args, numbers = density
            std = numbers[-1]
            if family is Normal and std.__class__ is float and std > 0.0:
                z = value - numbers[0]
                if z.__class__ is array and z.shape == shape:
                    z /= std
                    square = z * z
                    squares = square if squares is None else squares + square
                    constant -= log(std) + LOG_ROOT_2PI
                    self._normals.append((z, square, std, args))
                    continue
            self._others.append(density)
        self._squares, self._constant = squares, constant
        if self._others:
            with _sized(size):
                self._plain = numpy.zeros(size)
                for family, value, _, numbers in self._others:
                    self._plain += family.log_density(value, *numbers)

    @property
    def scores(self) -> Any:
        """Per sample the sum of its log densities."""
        import numpy

        found = numpy.full(self._size, self._constant) if self._squares is None else self._constant - 0.5 * self._squares
        return found if self._plain is None else found + self._plain

    def over(self, other: Together) -> Any:
        """Per sample, its score here less its score there."""
        if self._plain is not None or other._plain is not None or self._squares is None or other._squares is None:
            return self.scores - other.scores
        found = other._squares - self._squares
        found *= 0.5
        found += self._constant - other._constant
        return found

    def seed(self, factors: Any, share: float = 1.0, total: float | None = None) -> None:
        """See :meth:`Densities.seed`."""
        for z, square, std, (mean, deviation) in self._normals:
            part = share / std
            if mean.__class__ is Tracked:
                mean.collect(float(z.dot(factors)) * part if mean.value.__class__ is float else z * factors * part)
            if deviation.__class__ is Tracked:
                if total is None:
                    total = float(factors.sum())
                deviation.collect((float(square.dot(factors)) - total) * part)
        if self._others:
            with _sized(self._size):
                self._seed_others(factors * share)

    def _seed_others(self, factors: Any) -> None:
        for family, value, args, numbers in self._others:
            for arg, slope in zip(args, family.log_density_grad(value, *numbers)[1], strict=True):
                if slope is None:
                    continue
                if arg.__class__ is Tracked:
                    summed = arg.value.__class__ is float and getattr(slope, "shape", ()) == factors.shape
                    arg.collect(float(slope.dot(factors)) if summed else scaled(slope, factors))
                elif arg.__class__ is list or arg.__class__ is tuple:
                    spread(arg, slope, factors)


def _columns(chosen: list[Density]) -> tuple[Any, list[Any]]:
    """Values and arguments of one family's choices as arrays.

    Raises:
        Unfit: they are no numbers, or of several shapes.
    """
    import numpy

    try:
        values = numpy.array([d[1] for d in chosen])
        columns = [numpy.array(column, dtype=float) for column in zip(*[d[3] for d in chosen], strict=True)]
    except (TypeError, ValueError):
        raise Unfit from None
    if values.ndim != 1 or any([column.ndim > 2 for column in columns]):
        raise Unfit
    return values, columns


class _Many:
    """What families find running while the densities of ``size`` samples are worked out."""

    __slots__ = ("size",)

    def __init__(self, size: int) -> None:
        self.size = size


@contextmanager
def _sized(size: int) -> Iterator[None]:
    token = RUNNING.set(_Many(size))  # type: ignore[arg-type]
    try:
        yield
    finally:
        RUNNING.reset(token)


def _shapes(numbers: tuple[Any, ...]) -> tuple[Any, ...]:
    import numpy

    try:
        return tuple(map(numpy.shape, numbers))
    except ValueError:  # a list of several lengths
        raise Unfit from None
