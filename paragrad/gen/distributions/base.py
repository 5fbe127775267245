"""``Distribution``: what a random choice is drawn from.

A :class:`Family` is a class of distributions applied to ``args``. Its mathematics is three
static functions of plain numbers, so a caller that has unwrapped the arguments needs no object:

- ``draw(rng, *args)``: a value;
- ``log_density(value, *args)``: its natural log density or mass; -inf outside the support;
- ``log_density_grad(value, *args)``: ``(d/dvalue, (d/darg0, ...))``; None where no derivative exists
  (discrete values, counts), zero outside the support.

Families with ``batches = True`` also work element by element on arrays, one entry per sample; their
``sample_many`` draws so.
"""

from __future__ import annotations

from typing import Any, ClassVar

from paragrad.errors import UsageError
from paragrad.gen.distributions.batch import BatchRandom, batch_size
from paragrad.gen.given import PLAIN
from paragrad.gen.lost import plain_number
from paragrad.trace.variable import Variable

Gradient = tuple[Any, tuple[Any, ...]]


class Distribution:
    """One random choice: a kind of randomness and its arguments, which may be tracked values (anything with ``.value``).

    Attributes:
        args: the arguments.
        kind: its name, for messages.
        names: the arguments' names.
        differentiable: whether ``logpdf`` has a derivative in the value.
        batches: whether it also works element by element on arrays, one entry per sample.
    """

    __slots__ = ("args",)
    kind: ClassVar[str] = ""
    names: ClassVar[tuple[str, ...]] = ()
    differentiable: ClassVar[bool] = False
    batches: ClassVar[bool] = False

    def __init__(self, *args: Any) -> None:
        if len(args) != len(self.names):
            raise UsageError(f"{self.kind} takes ({', '.join(self.names)}), not {len(args)} arguments")
        self.args = args

    def sample(self, rng: Any) -> Any:
        """A value drawn with ``rng``, a ``random.Random``."""
        raise NotImplementedError

    def logpdf(self, value: Any) -> Any:
        """Natural log density (or mass) of ``value``; -inf outside the support."""
        raise NotImplementedError

    def logpdf_grad(self, value: Any) -> Gradient:
        """``(d/dvalue or None, (d/darg or None, ...))`` of :meth:`logpdf`."""
        raise NotImplementedError

    def with_args(self, *args: Any) -> Distribution:
        """The same family with other arguments."""
        return type(self)(*args)

    def sample_many(self, rng: Any, size: int) -> Any:
        """``size`` independent values as an array.

        Args:
            rng: a ``numpy.random.Generator``.
            size: how many; arguments may be arrays of that length.

        Raises:
            UsageError: there is no element-by-element form.
        """
        raise UsageError(f"{self.kind} has no batched form; run this function sample by sample (batched=False)")

    def __repr__(self) -> str:
        return f"{self.kind}({', '.join(f'{value!r:.40}' for value in plain(self.args))})"

    def _no_value(self, value: Any) -> UsageError:
        return UsageError(f"{value!r:.60} ({type(value).__name__}) cannot be a value of {self!r}")


class Family(Distribution):
    """A distribution whose mathematics is three static functions of plain numbers; ``batches`` by default."""

    __slots__ = ()
    batches = True

    @staticmethod
    def draw(rng: Any, *args: Any) -> Any:
        """A value drawn with ``rng`` (a ``random.Random``, or a BatchRandom for one value per sample)."""
        raise NotImplementedError

    @staticmethod
    def log_density(value: Any, *args: Any) -> Any:
        """Natural log of the density or mass of ``value``."""
        raise NotImplementedError

    @staticmethod
    def log_density_grad(value: Any, *args: Any) -> Gradient:
        """Derivatives of ``log_density`` by the value and by each argument."""
        raise NotImplementedError

    def sample(self, rng: Any) -> Any:
        """A value drawn with ``rng``.

        Raises:
            UsageError: an argument that the family does not have; named.
        """
        try:
            return self.draw(rng, *plain(self.args))
        except (TypeError, ValueError) as error:
            raise self._refused(error) from error

    def logpdf(self, value: Any) -> Any:
        """Natural log density (or mass) of ``value``; -inf outside the support.

        Raises:
            UsageError: an argument that the family does not have, or a value of another type; named.
        """
        try:
            return self.log_density(value, *plain(self.args))
        except (TypeError, ValueError) as error:
            raise self._refused(error, value) from error

    def logpdf_grad(self, value: Any) -> Gradient:
        """``(d/dvalue or None, (d/darg or None, ...))`` of :meth:`logpdf`.

        Raises:
            UsageError: as :meth:`logpdf`.
        """
        try:
            return self.log_density_grad(value, *plain(self.args))
        except (TypeError, ValueError) as error:
            raise self._refused(error, value) from error

    def sample_many(self, rng: Any, size: int) -> Any:
        """See :class:`Distribution`."""
        if not self.batches:
            return super().sample_many(rng, size)
        try:
            return self.draw(BatchRandom(rng, size), *plain(self.args))
        except (TypeError, ValueError) as error:
            raise self._refused(error, size=size) from error

    def _refused(self, error: Exception, *values: Any, size: int | None = None) -> Exception:
        """What an error of the mathematics means: an argument that is no number, a value that is none, shapes that do not fit."""
        if isinstance(error, UsageError):
            return error
        args = list(zip(self.names, plain(self.args), strict=False))
        for name, arg in args:
            if not _numeric(arg):
                return UsageError(f"{self.kind}: {name} is {arg!r:.60} ({type(arg).__name__}); it must be made of numbers")
        if values and not _numeric(values[0]):
            return self._no_value(values[0])
        size = batch_size() if size is None else size
        wide = [(name, arg) for name, arg in (*args, *(("the value", value) for value in values)) if _shape(arg)]
        if not wide:
            return self._no_value(values[0]) if values else error
        shown = ", ".join(
            f"{name} {'is a list of' if isinstance(arg, list | tuple) else 'has'} the shape {_shape(arg)}" for name, arg in wide
        )
        many = "one number" if size is None else f"one number for all samples, or an array with one for each of the {size}"
        return UsageError(f"{self.kind}: {shown}, which does not fit; where it takes a number give {many}")


def plain(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments without their tracking."""
    return tuple([arg if arg.__class__ in PLAIN else _plain(arg) for arg in args])


def _plain(arg: Any) -> Any:
    """One argument; a list or tuple of numbers with every part plain.

    Raises:
        UsageError: a number that is a Variable and requires a gradient, which would be lost.
    """
    kind = arg.__class__
    if kind is not list and kind is not tuple:
        return _part(arg)
    for part in arg:
        if part.__class__ not in PLAIN:
            return kind(map(_part, arg))
    return arg


def _part(arg: Any) -> Any:
    if isinstance(arg, Variable):
        return plain_number(arg)
    return getattr(arg, "value", arg)


def _numeric(value: Any) -> bool:
    """Whether it is a number, an array of numbers, a distribution, or a list of those."""
    if isinstance(value, list | tuple):
        return all(map(_numeric, value))
    kind = getattr(getattr(value, "dtype", None), "kind", None)
    return isinstance(value, float | int) or (kind is not None and kind in "fiub") or hasattr(value, "logpdf")


def _shape(value: Any) -> tuple[int, ...]:
    return (len(value),) if isinstance(value, list | tuple) else tuple(getattr(value, "shape", ()))
