"""Functions that are recorded once and replayed; for what a replay cannot answer, their bodies run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from paragrad.gen.choices import MISSING, Choices, Selection
from paragrad.gen.environment import Environment
from paragrad.gen.interface import Gradients
from paragrad.gen.language import Generative
from paragrad.gen.static.calls import Strayed
from paragrad.gen.static.program import Program
from paragrad.gen.static.recording import record
from paragrad.gen.static.resuming import ResumedGeneration, ResumedSimulation
from paragrad.gen.static.symbols import Book, Symbol, Unrecordable
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
        book.live.update(range(place, place + self.size))
        made = [Symbol(book, place + k) for k in range(self.size)]
        return made[0] if self.kind is float else self.kind(made), place + self.size


class StaticGenerative(Generative[..., Any]):
    """A generative function whose body does the same in every run.

    It is recorded at the first run for each structure of its arguments: what it computes and draws, and what the
    recorded functions that it calls do. ``simulate``, a full ``generate``, ``assess`` and gradients of parameters
    and arguments are replayed; whatever else is asked, and arguments or parameters that are arrays, go through the
    body as for any other function.
    """

    def __init__(self, function: Any, store: Any = None, grad: Any = ()) -> None:
        super().__init__(function, store, grad)
        self._programs: dict[Any, Program | None] = {}

    def simulate(self, args: tuple[Any, ...], env: Environment) -> Trace:
        """A trace with every choice sampled."""
        found = self._ready(args, env)
        if found is None:
            return super().simulate(args, env)
        program, params, reads, floats = found
        s = program.start(params, floats, env.rng, lambda f, given, _: (f.simulate(given, env), 0.0))
        try:
            for step in program.draw:
                step(s)
        except Strayed as stop:
            return ResumedSimulation(self, env, program.assembly.made(s, env, reads, stop.address)).execute(args)
        return program.assembly.trace(s, env, reads, args, (program, s))

    def generate(self, args: tuple[Any, ...], constraints: Choices, env: Environment) -> tuple[Trace, Any]:
        """A trace that holds the constraints; replayed when they are all its own choices."""
        try:
            found = self._scored(args, constraints, env, lambda f, given, at: f.generate(given, constraints.sub(at), env))
        except Strayed as stop:
            run = ResumedGeneration(self, env, constraints, stop.made)
            return run.execute(args), run.weight
        return found if found is not None else super().generate(args, constraints, env)

    def assess(self, args: tuple[Any, ...], choices: Choices, env: Environment) -> Trace:
        """The trace of given choices."""
        try:
            found = self._scored(args, choices, env, lambda f, given, at: (f.assess(given, choices.sub(at), env), 0.0))
        except Strayed:
            found = None
        return found[0] if found is not None else super().assess(args, choices, env)

    def drawn(self, args: tuple[Any, ...], env: Environment, count: int) -> dict[Any, list[Any]] | None:
        """The choices of ``count`` runs, one after another, by address; None where the body has to run."""
        found = self._ready(args, env)
        if found is None or found[0].opaque:
            return None
        program, params, _, floats = found
        return dict(zip(program.addresses, program.columns(program.start(params, floats, env.rng), count), strict=True))

    def gradients(self, trace: Trace, selection: Selection, retgrad: Any, needed: Sequence[bool], scale: Any = 1.0) -> Gradients:
        """One sweep over the slots the trace kept."""
        kept = trace._kept
        if kept is None or not selection.empty or scale.__class__ is not float:
            return super().gradients(trace, selection, retgrad, needed, scale)
        program, s = kept
        g, params = program.derivatives(s, scale, retgrad)
        return Gradients(_argument_grads(trace.args, g, needed), {}, params)

    def _scored(self, args: tuple[Any, ...], choices: Choices, env: Environment, asked: Callable[..., Any]) -> tuple[Trace, Any] | None:
        given = choices._values
        found = self._ready(args, env)
        if found is None or not found[0].known <= given.keys():
            return None
        program, params, reads, floats = found
        s = program.start(params, floats, None, asked)
        for address, place in zip(program.addresses, program.places, strict=True):
            s[place] = given[address]
        try:
            for step in program.score:
                step(s)
        except (TypeError, ValueError):  # a value of another type or shape: the body's own run says which
            return None
        except Strayed as stop:
            stop.made = program.assembly.made(s, env, reads, stop.address)
            raise
        trace = program.assembly.trace(s, env, reads, args, (program, s))
        if getattr(trace._score, "ndim", 0):  # of a value with more rows than it should have
            return None
        return trace, program.assembly.weight(s, trace)

    def _ready(self, args: tuple[Any, ...], env: Environment) -> tuple[Program, tuple[float, ...], Any, list[float]] | None:
        """The program for these arguments, its parameters' values and reads, and the arguments as one list."""
        if env.size is not None:
            return None
        program, floats = self.program(args, env)
        if program is None:
            return None
        params, reads = parameters_of(program, env)
        return None if params is None else (program, params, reads, floats)

    def program(self, args: tuple[Any, ...], env: Environment) -> tuple[Program | None, list[float]]:
        """What is recorded for these arguments, None where the body has to run; and the floats in them."""
        key, floats = _structure(args)
        program = self._programs.get(key, MISSING) if key is not None else None
        return (self._recorded(key, args, env) if program is MISSING else program), floats

    def _recorded(self, key: Any, args: tuple[Any, ...], env: Environment) -> Program | None:
        """Run the body once as it is, to meet its parameters and callees, and once on symbols."""
        if len(self._programs) >= MOST:
            return None
        first = super().simulate(args, Environment(env.context, Random(0)))
        shapes = [Floats(*part) if len(part) == 2 else part[2] for part in key]
        count = sum(shape.size for shape in shapes if isinstance(shape, Floats))
        try:
            program = Program(*record(first, shapes, count, lambda f: isinstance(f, StaticGenerative)))
        except Unrecordable:
            program = None
        self._programs[key] = program
        return program


def parameters_of(program: Program, env: Environment) -> tuple[tuple[float, ...] | None, Any]:
    """Values of a program's parameter slots, and reads by assembly; remembered for as long as the stores stay at their commits."""
    if not program.owners:
        return (), program.no_reads
    views = [env.view(owner) for owner in program.owners]
    bundles = views[0].bundles
    known = bundles.get(program)
    if known is None or known[0] != views[1:]:
        of = dict(zip(program.owners, views, strict=True))
        reads = {
            (owner, name): of[owner].reads.get(name) or of[owner].fetch(owner, name, init) for (owner, name), init in program.inits.items()
        }
        values = tuple([reads[id].value for id in program.ids])
        fit = all(value.__class__ is float for value in values)
        known = bundles[program] = (views[1:], values if fit else None, program.assembly.sorted_reads(reads))
    return known[1], known[2]


def _structure(args: tuple[Any, ...]) -> tuple[Any, list[float]]:
    """What a program depends on: where floats are, and the value of everything else; None if it cannot be a key."""
    key: list[Any] = []
    floats: list[float] = []
    for arg in args:
        kind = arg.__class__
        if kind is float:
            key.append((float, 1))
            floats.append(arg)
        elif (kind is list or kind is tuple) and all(part.__class__ is float for part in arg):
            key.append((kind, len(arg)))
            floats += arg
        elif kind is int or kind is bool or kind is str or arg is None:
            key.append(("is", kind, arg))
        else:
            return None, floats
    return tuple(key), floats


def _argument_grads(args: tuple[Any, ...], g: list[Any], needed: Sequence[bool]) -> tuple[Any, ...]:
    found: list[Any] = []
    place = 0
    for arg, want in zip(args, [*needed, *[False] * len(args)], strict=False):
        kind = arg.__class__
        size = 1 if kind is float else len(arg) if kind is list or kind is tuple else 0
        grads = g[place : place + size]
        place += size
        reached = want and grads.count(None) < size
        found.append(None if not reached else grads[0] if kind is float else kind(grads))
    return tuple(found)
