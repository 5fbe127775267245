"""StaticGenerative: replays what it can, runs the body for the rest."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from paragrad.gen.choices import MISSING, Choices, Selection
from paragrad.gen.environment import Environment, View
from paragrad.gen.interface import Gradients
from paragrad.gen.language import Generative
from paragrad.gen.static.program import Program
from paragrad.gen.static.symbols import Book, record
from paragrad.gen.trace import Trace

MOST = 64


class Floats:
    """An argument of floats: one (``kind`` float), or a list or tuple of ``size``."""

    __slots__ = ("kind", "size")

    def __init__(self, kind: type, size: int) -> None:
        self.kind = kind
        self.size = size

    def symbols(self, book: Book, place: int) -> tuple[Any, int]:
        """Its symbols from a slot on, and the slot after them."""
        made = [book.made(place + k) for k in range(self.size)]
        return made[0] if self.kind is float else self.kind(made), place + self.size


class StaticGenerative(Generative[..., Any]):
    """A generative function whose body does the same in every run.

    It is recorded at the first run for each structure of its arguments. ``simulate``, a full ``generate``,
    ``assess`` and parameter gradients without ``retgrad`` are replayed; whatever else is asked, and
    arguments or parameters that are arrays, go through the body as for any other function.
    """

    def __init__(self, function: Any, store: Any, grad: Any) -> None:
        super().__init__(function, store, grad)
        self._programs: dict[Any, Program | None] = {}

    def simulate(self, args: tuple[Any, ...], env: Environment) -> Trace:
        """A trace with every choice sampled."""
        found = self._ready(args, env)
        if found is None:
            return super().simulate(args, env)
        program, params, reads, floats = found
        s = program.start(params, floats, env.rng)
        for step in program.draw:
            step(s)
        return self._trace(program, args, s, env, reads)

    def generate(self, args: tuple[Any, ...], constraints: Choices, env: Environment) -> tuple[Trace, Any]:
        """A trace that holds the constraints; replayed when they are all its choices."""
        trace = self._scored(args, constraints, env)
        return (trace, trace._score) if trace is not None else super().generate(args, constraints, env)

    def assess(self, args: tuple[Any, ...], choices: Choices, env: Environment) -> Trace:
        """The trace of given choices."""
        trace = self._scored(args, choices, env)
        return trace if trace is not None else super().assess(args, choices, env)

    def drawn(self, args: tuple[Any, ...], env: Environment, count: int) -> dict[Any, list[Any]] | None:
        """The choices of ``count`` runs, one after another, by address; None where the body has to run."""
        found = self._ready(args, env)
        if found is None:
            return None
        program, params, _, floats = found
        return dict(zip(program.addresses, program.columns(program.start(params, floats, env.rng), count), strict=True))

    def gradients(self, trace: Trace, selection: Selection, retgrad: Any, needed: Sequence[bool], scale: Any = 1.0) -> Gradients:
        """One sweep over the slots the trace kept."""
        kept = trace._kept
        if kept is None or retgrad is not None or not selection.empty or scale.__class__ is not float:
            return super().gradients(trace, selection, retgrad, needed, scale)
        program, s = kept
        g = program.derivatives(s)
        if scale != 1.0:
            g = [x * scale for x in g]
        params = dict(zip(program.ids, g, strict=False))  # their slots come first
        return Gradients(_argument_grads(trace.args, g, len(program.names), needed), {}, params)

    def _scored(self, args: tuple[Any, ...], choices: Choices, env: Environment) -> Trace | None:
        given = choices._values
        found = self._ready(args, env)
        if found is None or not found[0].known <= given.keys():
            return None
        program, params, reads, floats = found
        s = program.start(params, floats)
        for address, place in zip(program.addresses, program.places, strict=True):
            s[place] = given[address]
        try:
            for step in program.score:
                step(s)
        except TypeError:  # a value of another type: the body's own run says which
            return None
        return self._trace(program, args, s, env, reads)

    def _trace(self, program: Program, args: tuple[Any, ...], s: list[Any], env: Environment, reads: Any) -> Trace:
        score: Any = 0.0
        logps = [s[place] for place in program.logps]
        for logp in logps:
            score += logp
        values = dict(zip(program.addresses, [s[place] for place in program.places], strict=True))
        named = dict(zip(program.addresses, logps, strict=True))
        return Trace(self, args, program.retval(s), score, values, env, logps=named, reads=reads, kept=(program, s))

    def _ready(self, args: tuple[Any, ...], env: Environment) -> tuple[Program, tuple[float, ...], Any, list[float]] | None:
        """The program for these arguments, its parameters' values and reads, and the arguments as one list."""
        if env.size is not None:
            return None
        key, floats = _structure(args)
        program = self._programs.get(key, MISSING) if key is not None else None
        if program is MISSING:
            program = self._recorded(key, args, env)
        if program is None:
            return None
        view = env.view(self) if program.names else None
        params, reads = _params(self, program, view)
        return None if params is None else (program, params, reads, floats)

    def _recorded(self, key: Any, args: tuple[Any, ...], env: Environment) -> Program | None:
        """Run the body once as it is, to meet its parameters, and once on symbols."""
        if len(self._programs) >= MOST:
            return None
        reads = super().simulate(args, Environment(env.context, Random(0))).reads
        program = None
        if all(read.value.__class__ is float for read in reads.values()):
            shapes = [Floats(*part) if len(part) == 2 else part[2] for part in key]
            count = sum(shape.size for shape in shapes if isinstance(shape, Floats))
            program = Program(self, *record(self, [name for _, name in reads], shapes, count))
        self._programs[key] = program
        return program


def _params(f: StaticGenerative, program: Program, view: View | None) -> tuple[tuple[float, ...] | None, Any]:
    """Values and reads, remembered for as long as the store stays at its commit."""
    if view is None:
        return (), {}
    known = view.bundles.get(program)
    if known is None:
        reads = {(f, name): view.reads.get(name) or view.fetch(f, name, init) for name, init in program.names}
        values = tuple(read.value for read in reads.values())
        known = view.bundles[program] = (values if all(value.__class__ is float for value in values) else None, reads)
    return known


def _structure(args: tuple[Any, ...]) -> tuple[Any, list[float]]:
    """What a program depends on: where floats are, and the value of everything else; None if it cannot be a key."""
    key: list[Any] = []
    floats: list[float] = []
    for arg in args:
        kind = arg.__class__
        if kind is float:
            key.append((float, 1))
            floats.append(arg)
        elif (kind is list or kind is tuple) and arg and all(part.__class__ is float for part in arg):
            key.append((kind, len(arg)))
            floats += arg
        elif kind is int or kind is bool or kind is str or arg is None:
            key.append(("is", kind, arg))
        else:
            return None, floats
    return tuple(key), floats


def _argument_grads(args: tuple[Any, ...], g: list[float], place: int, needed: Sequence[bool]) -> tuple[Any, ...]:
    found: list[Any] = []
    wanted = [*needed, *[False] * len(args)]
    for arg, want in zip(args, wanted, strict=False):
        kind = arg.__class__
        size = 1 if kind is float else len(arg) if kind is list or kind is tuple else 0
        grads = g[place : place + size]
        place += size
        found.append(None if not want or not size else grads[0] if kind is float else kind(grads))
    return tuple(found)
