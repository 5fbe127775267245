"""A recorded body on arrays: all samples of a static function at once, without running Python code of its own."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from paragrad.gen.choices import MISSING
from paragrad.gen.distributions.batch import BatchRandom
from paragrad.gen.environment import Environment, Read
from paragrad.gen.functions import cos, exp, log, log1p, sigmoid, sin, softplus, sqrt, tanh
from paragrad.gen.static.function import StaticGenerative, parameters_of
from paragrad.gen.static.operations import BINARY, UNARY, Step, forward
from paragrad.gen.static.program import Program
from paragrad.gen.static.symbols import Choice
from paragrad.gen.tape import Tracked
from paragrad.gen.training.densities import Density, Together, Unfit
from paragrad.gen.training.sums import GradientSum

ON_ARRAYS: dict[str, Callable[[Any], Any]] = {
    "absolute": abs,
    "cos": cos,
    "exp": exp,
    "log": log,
    "log1p": log1p,
    "negative": operator.neg,
    "same": lambda x: x,
    "sigmoid": sigmoid,
    "sin": sin,
    "softplus": softplus,
    "sqrt": sqrt,
    "tanh": tanh,
}


class Replayed:
    """What :class:`~paragrad.gen.training.fused.Body` is for a body that runs: the same draws, densities and derivatives.

    Args:
        gen_fn: a static function.
        args: its arguments.
        env: any environment of the loop.
        tracked: whether derivatives of its parameters are wanted.

    Raises:
        Unfit: it is not recorded for these arguments, or parameters meet choices before they meet a density, so that
            derivatives would be arrays.
    """

    def __init__(self, gen_fn: StaticGenerative, args: tuple[Any, ...], env: Environment, tracked: bool) -> None:
        program, floats = gen_fn.program(args, env)
        if program is None or program.opaque:
            raise Unfit
        self.program, self.args, self.tracked = program, args, tracked
        self._floats = floats
        self._once, self._each = _split(program, tracked)
        self._live = program.book.live if tracked else set()
        self._plan: tuple[Any, list[str]] | None = None
        self._reads: dict[Any, Read] = {}

    def begin(self, env: Environment) -> Replayed:
        """Ready for other samples, in an environment of theirs."""
        program = self.program
        self._size = env.size
        self._densities: list[Density] = []
        self._leaves: dict[int, Tracked] = {}
        self._slots = s = program.start(self._values(env), self._floats)
        for step in self._once:
            step(s)
        self._rng = BatchRandom(env.rng_many, env.size)  # type: ignore[arg-type]  # only of batches
        return self

    def draw_many(self, args: tuple[Any, ...], count: int) -> list[dict[Any, Any]]:
        """The values drawn, by address."""
        found: dict[Any, Any] = {}
        self._run(lambda choice, numbers: found.setdefault(choice.address, choice.family.draw(self._rng, *numbers)))
        return [found]

    def weigh_many(self, examples: Iterable[tuple[tuple[Any, ...], dict[Any, Any]]]) -> None:
        """Take the values by address.

        Raises:
            Unfit: they are not all of its choices, or not only.
        """
        for _, given in examples:
            self._run(partial(_taken, given))
            if given:
                raise Unfit

    def densities_of(self) -> Together:
        """Log densities and derivatives of all choices."""
        return Together(self._densities, self._size)  # type: ignore[arg-type]

    def gradient(self) -> GradientSum:
        """What has reached the parameters."""
        found = GradientSum()
        if not self.tracked:
            return found
        g: list[Any] = [0.0] * len(self._slots)
        for slot, leaf in self._leaves.items():
            if leaf.grad is not None:
                g[slot] = leaf.grad
        back, ids, values, *_ = self.program.sweep(())
        for step in back:
            step(self._slots, g)
        found.sums = dict(zip(ids, values(g), strict=True))
        found.reads = {id: self._reads[id] for id in ids}
        return found

    def _run(self, value_of: Callable[[Choice, list[Any]], Any]) -> None:
        s, live, leaves = self._slots, self._live, self._leaves
        for choice, step in self._each:
            if choice is None:
                step(s)
                continue
            places = choice.args
            numbers = [s[place] for place in places]
            value = s[choice.value] = value_of(choice, numbers)
            if value is MISSING:
                raise Unfit
            args = tuple([self._leaf(place, s, leaves) if place in live else s[place] for place in places]) if live else numbers
            self._densities.append((choice.family, value, args, numbers))  # type: ignore[arg-type]

    def _leaf(self, place: int, s: list[Any], leaves: dict[int, Tracked]) -> Tracked:
        found = leaves.get(place)
        if found is None:
            found = leaves[place] = Tracked(s[place], [])
        return found

    def _values(self, env: Environment) -> tuple[float, ...]:
        """Of the program's parameter slots; all at once where the store can."""
        if self._plan is not None:
            store, ids = self._plan
            found = store.newest_values(ids, env.pin(store))
            if found is not None:
                return tuple(found[1])
        values, read = parameters_of(self.program, env)
        if values is None:
            raise Unfit
        self._reads = {id: each for reads in read.values() for id, each in reads.items()}
        stores = [each.store for each in self._reads.values()]
        if stores and hasattr(stores[0], "newest_values") and all(store is stores[0] for store in stores):
            self._plan = stores[0], [self._reads[id].id for id in self.program.ids]
        return values


def _taken(given: dict[Any, Any], choice: Choice, _: list[Any]) -> Any:
    return given.pop(choice.address, MISSING)


def _split(program: Program, tracked: bool) -> tuple[list[Step], list[tuple[Choice | None, Any]]]:
    """Steps on floats, which no choice changes, and choices and steps on arrays, in order."""
    book = program.book
    varies: set[int] = set()
    once: list[Step] = []
    each: list[tuple[Choice | None, Any]] = []
    for step in book.steps:
        name, out, operands = step
        if name == "choice":
            if not operands.family.batches or any(place in book.packs for place in operands.args):
                raise Unfit
            varies.add(out)
            each.append((operands, None))
        elif name != "share" and varies.isdisjoint(operands):
            once.append(forward(*step))
        elif name != "share":
            if (name not in ON_ARRAYS and name not in BINARY) or (tracked and out in book.live):
                raise Unfit
            varies.add(out)
            each.append((None, _on_arrays(*step)))
    return once, each


def _on_arrays(name: str, out: int, operands: tuple[int, ...]) -> Step:
    if name not in UNARY:
        return forward(name, out, operands)
    function = ON_ARRAYS[name]
    (a,) = operands

    def one(s: list[Any]) -> None:
        s[out] = function(s[a])

    return one
