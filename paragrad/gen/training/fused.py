"""Many samples of a guide and a model on one tape: bodies run one by one or on arrays, densities and derivatives all at once.

The estimator is that of :mod:`paragrad.gen.training.estimators`; only the bookkeeping of a trace per sample is
left out. Bodies of ``@gen.generative`` functions with scalar choices can be run so, with any control flow.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import Token
from typing import Any

from paragrad.gen.calling import RUNNING
from paragrad.gen.choices import MISSING, join, normal
from paragrad.gen.distributions.base import Family
from paragrad.gen.distributions.batch import BatchRandom
from paragrad.gen.environment import Environment
from paragrad.gen.language import Generative
from paragrad.gen.structures import untracked
from paragrad.gen.tape import Tracked
from paragrad.gen.training.densities import Densities, Density, Together, Unfit
from paragrad.gen.training.leaves import Leaves
from paragrad.gen.training.sums import GradientSum
from paragrad.trace.escapes import Reads
from paragrad.trace.nodes import Node
from paragrad.trace.state import STATE, State
from paragrad.trace.values import is_numeric


class NoVariables(Reads):
    """Watches reads while bodies run without traces. A Variable's number that requires a gradient is no matter for them:
    only a run with a trace knows whether it is meant as a constant or would lose its gradient.
    """

    __slots__ = ()

    def note(self, node: Node) -> None:
        """Tell the surroundings of every other read; nothing is kept, as a loop reads the same thousands of times.

        Raises:
            Unfit: it is such a number.
        """
        if node.requires and is_numeric(node.value):
            raise Unfit
        if self.outer is not None:
            self.outer.note(node)


class Watched:
    """A block in which bodies run without traces."""

    __slots__ = ("_base", "_made", "_token")
    _token: Token[State]

    def __init__(self) -> None:
        self._base: State | None = None
        self._made: State | None = None

    def __enter__(self) -> None:
        base = STATE.get()
        if self._base is not base or self._made is None:
            self._base, self._made = base, base.but(reads=NoVariables(outer=base.reads))
        self._token = STATE.set(self._made)

    def __exit__(self, *_: object) -> None:
        STATE.reset(self._token)


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
        "counts",
        "densities",
        "env",
        "gen_fn",
        "given",
        "owner",
        "prefix",
        "rng",
        "size",
        "tracked",
        "values",
    )  # fmt: skip

    def __init__(self, gen_fn: Any, tracked: bool) -> None:
        if not isinstance(gen_fn, Generative):
            raise Unfit
        self.gen_fn = gen_fn
        self.tracked = tracked
        self._known: set[Any] = set()
        self._leaves = Leaves(tracked)

    def begin(self, env: Environment) -> Body:
        """Ready for other samples, in an environment of theirs."""
        self.owner = self.gen_fn
        self.env, self.size = env, env.size
        self.rng: Any = env.rng if env.size is None else BatchRandom(env.rng_many, env.size)
        self.densities: list[Density] = []
        self.counts: list[int] = []
        self.given: dict[Any, Any] | None = None
        self.values: dict[Any, Any] = {}
        self.prefix: Any = None
        leaves = self._leaves
        leaves.begin(env)
        self._own = leaves.of.setdefault(self.owner, {})
        return self

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
        return found if found is not None else self._leaves.read(self.owner, name, init)

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
            numbers = _numbers(args)
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
        self.owner, self._own = gen_fn, self._leaves.of.setdefault(gen_fn, {})
        if address is not None:
            self.prefix = normal(address) if prefix is None else join(prefix, address)
        try:
            return gen_fn.function(*args)
        finally:
            self.owner, self.prefix, self._own = owner, prefix, self._leaves.of[owner]

    def parameter(self, parameter: Any) -> Any:
        """A ``pg.Parameter``: traces know where its derivative goes."""
        raise Unfit

    def densities_of(self) -> Densities | Together:
        """Log densities and derivatives of everything so far."""
        if self.size is not None:
            return Together(self.densities, self.size)
        return Densities(self.densities, self.counts, self.tracked)

    def gradient(self) -> GradientSum:
        """What has reached the parameters."""
        return self._leaves.gradient()

    def _learn(self, family: Any) -> None:
        if not (issubclass(family, Family) and family.batches):
            raise Unfit
        self._known.add(family)


def _numbers(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Arguments without their tracking; most are two."""
    if len(args) != 2:
        return tuple(map(untracked, args))
    a, b = args
    if a.__class__ is Tracked:
        a = a.value
    elif a.__class__ is not float:
        a = untracked(a)
    if b.__class__ is Tracked:
        b = b.value
    elif b.__class__ is not float:
        b = untracked(b)
    return a, b
