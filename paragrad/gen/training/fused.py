"""Many samples of a guide and a model on one tape: bodies run one by one or on arrays, densities and derivatives all at once.

The estimator is that of :mod:`paragrad.gen.training.estimators`; only the bookkeeping of a trace per sample is
left out. Bodies of ``@gen.generative`` functions with scalar choices can be run so, with any control flow.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from paragrad.gen.calling import RUNNING
from paragrad.gen.choices import MISSING, join, normal
from paragrad.gen.distributions.base import Family
from paragrad.gen.distributions.batch import BatchRandom
from paragrad.gen.environment import Environment, Read, View
from paragrad.gen.language import Generative
from paragrad.gen.structures import is_real
from paragrad.gen.tape import Tracked, sweep
from paragrad.gen.training.sums import GradientSum


class Unfit(Exception):
    """This body says something that only a run with a trace can answer."""


class Body:
    """What bodies talk to while many samples run; see :class:`paragrad.gen.running.Run`.

    Attributes:
        given: the values of this sample by address, taken out as they are used; None: they are drawn.
        values: the values drawn for this sample.
        densities: (family, value, arguments, plain arguments) of every choice of every sample.
    """

    __slots__ = (
        "_known",
        "_leaves",
        "_own",
        "_views",
        "counts",
        "densities",
        "env",
        "given",
        "owner",
        "prefix",
        "reads",
        "rng",
        "tape",
        "tracked",
        "values",
    )

    def __init__(self, gen_fn: Any, env: Environment, tracked: bool) -> None:
        if not isinstance(gen_fn, Generative):
            raise Unfit
        self.owner = gen_fn
        self.env, self.tracked = env, tracked
        self.rng: Any = env.rng if env.size is None else BatchRandom(env.rng_many, env.size)
        self.tape: list[Tracked] = []
        self._known: set[Any] = set()
        self._own: dict[str, Any] = {}
        self._leaves: dict[Any, dict[str, Any]] = {gen_fn: self._own}
        self._views: dict[Any, View] = {}
        self.reads: dict[tuple[Any, str], Read] = {}
        self.densities: list[tuple[Any, Any, tuple[Any, ...], tuple[Any, ...]]] = []
        self.counts: list[int] = []
        self.given: dict[Any, Any] | None = None
        self.values: dict[Any, Any] = {}
        self.prefix: Any = None

    def draw_many(self, args: tuple[Any, ...], count: int) -> list[dict[Any, Any]]:
        """Run the body ``count`` times; the values drawn."""
        found = []
        token = RUNNING.set(self)  # type: ignore[arg-type]
        try:
            body = self.owner.function
            for _ in range(count):
                values: dict[Any, Any] = {}
                self.values = values
                body(*args)
                found.append(values)
            self.counts = [len(values) for values in found]
        finally:
            RUNNING.reset(token)
        return found

    def weigh_many(self, examples: Iterable[tuple[tuple[Any, ...], dict[Any, Any]]]) -> None:
        """Run the body once per (arguments, values by address); the values are used up.

        Raises:
            Unfit: they are not all of its choices, or not only.
        """
        token = RUNNING.set(self)  # type: ignore[arg-type]
        try:
            body = self.owner.function
            for args, given in examples:
                self.given = given
                self.counts.append(len(given))
                body(*args)
                if given:
                    raise Unfit
        finally:
            RUNNING.reset(token)

    def param(self, name: str, init: Any) -> Any:
        """One leaf for all samples."""
        found = self._own.get(name)
        return found if found is not None else self._leaf(name, init)

    def choice(self, dist: Any, address: Any) -> Any:
        """A value, drawn or given; its density is worked out later."""
        if self.prefix is not None:
            address = join(self.prefix, address)
        elif address.__class__ is not str:
            address = normal(address)
        family = dist.__class__
        if family not in self._known:
            self._learn(family)
        args = numbers = dist.args
        if self.tracked:
            if len(args) == 2:
                a, b = args
                numbers = (a.value if a.__class__ is Tracked else a, b.value if b.__class__ is Tracked else b)
            else:
                numbers = tuple([arg.value if arg.__class__ is Tracked else arg for arg in args])
        given = self.given
        if given is None:
            if address in self.values:
                raise Unfit
            value = self.values[address] = family.draw(self.rng, *numbers)
        else:
            value = given.pop(address, MISSING)
            if value is MISSING:
                raise Unfit
        self.densities.append((family, value, args, numbers))
        return value

    def call(self, gen_fn: Any, args: tuple[Any, ...], address: Any) -> Any:
        """The callee's body, as part of this one."""
        if not isinstance(gen_fn, Generative):
            raise Unfit
        owner, prefix = self.owner, self.prefix
        self.owner, self._own = gen_fn, self._leaves.setdefault(gen_fn, {})
        if address is not None:
            self.prefix = normal(address) if prefix is None else join(prefix, address)
        try:
            return gen_fn.function(*args)
        finally:
            self.owner, self.prefix, self._own = owner, prefix, self._leaves[owner]

    def densities_of(self) -> Densities | Together:
        """Log densities and derivatives of everything so far."""
        if self.env.size is not None:
            return Together(self.densities, self.env.size)
        return Densities(self.densities, self.counts, self.tracked)

    def gradient(self) -> GradientSum:
        """What has reached the parameters."""
        sweep(self.tape)
        found = GradientSum()
        for id, read in self.reads.items():
            grad = self._leaves[id[0]][id[1]].grad
            if grad is not None:
                found.sums[id], found.reads[id] = grad, read
        return found

    def _learn(self, family: Any) -> None:
        if not (issubclass(family, Family) and family.batches):
            raise Unfit
        self._known.add(family)

    def _leaf(self, name: str, init: Any) -> Any:
        owner = self.owner
        view = self._views.get(owner)
        if view is None:
            view = self._views[owner] = self.env.view(owner)
        read = view.reads.get(name) or view.fetch(owner, name, init)
        found = read.value
        if self.tracked and is_real(found):
            self.reads[owner, name] = read
            found = Tracked(found, self.tape)
        self._own[name] = found
        return found


class Densities:
    """Choices of many samples by family, as arrays.

    Attributes:
        scores: per sample the sum of its log densities.
    """

    __slots__ = ("_groups", "scores")

    def __init__(self, densities: list[tuple[Any, Any, tuple[Any, ...], tuple[Any, ...]]], counts: list[int], tracked: bool) -> None:
        import numpy

        rows = numpy.repeat(numpy.arange(len(counts)), counts)
        families: dict[Any, list[int]] = {}
        for place, density in enumerate(densities):
            families.setdefault(density[0], []).append(place)
        self.scores = numpy.zeros(len(counts))
        self._groups: list[tuple[Any, Any, list[tuple[Any, ...]]]] = []
        for family, places in families.items():
            own, chosen = (rows, densities) if len(families) == 1 else (rows[places], [densities[place] for place in places])
            values = numpy.array([d[1] for d in chosen])
            columns = [numpy.array(column, dtype=float) for column in zip(*[d[3] for d in chosen], strict=True)]
            if values.ndim != 1 or any([column.ndim != 1 for column in columns]):
                raise Unfit
            self.scores += numpy.bincount(own, family.log_density(values, *columns), len(counts))
            if tracked:
                self._groups.append((own, family.log_density_grad(values, *columns)[1], [d[2] for d in chosen]))

    def seed(self, factors: Any) -> None:
        """Hand every choice's derivatives, times its sample's factor, to the arguments."""
        import numpy

        for rows, slopes, args in self._groups:
            scale = factors[rows]
            for column, slope in zip(zip(*args, strict=True), slopes, strict=True):
                if slope is None:
                    continue
                for arg, grad in zip(column, numpy.multiply(slope, scale).tolist(), strict=True):
                    if arg.__class__ is Tracked:
                        arg.grad = grad if arg.grad is None else arg.grad + grad


class Together:
    """Choices of one run in which every value is an array with an entry per sample. ``scores`` as in :class:`Densities`."""

    __slots__ = ("_densities", "scores")

    def __init__(self, densities: list[tuple[Any, Any, tuple[Any, ...], tuple[Any, ...]]], size: int) -> None:
        import numpy

        self._densities = densities
        self.scores = numpy.zeros(size)
        for family, value, _, numbers in densities:
            self.scores += family.log_density(value, *numbers)

    def seed(self, factors: Any) -> None:
        """See :meth:`Densities.seed`."""
        for family, value, args, numbers in self._densities:
            for arg, slope in zip(args, family.log_density_grad(value, *numbers)[1], strict=True):
                if arg.__class__ is Tracked and slope is not None:
                    summed = arg.value.__class__ is float and getattr(slope, "shape", ()) == factors.shape
                    arg.collect(float(slope.dot(factors)) if summed else slope * factors)
