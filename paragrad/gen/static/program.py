"""Replaying what was recorded, on floats."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any

from paragrad.gen.static.calls import answered, returned
from paragrad.gen.static.densities import Density, derived, drawn, scored
from paragrad.gen.static.drawing import hoisted
from paragrad.gen.static.operations import Back, Step, backward, forward
from paragrad.gen.static.recording import Frame
from paragrad.gen.static.structures import seeded
from paragrad.gen.static.symbols import Book, symbols_in
from paragrad.gen.static.traces import Assembly

Sweep = tuple[list[Back], list[Any], Callable[[list[Any]], Iterable[Any]], list[tuple[Any, int]], list[int]]


class Program:
    """A recorded body, ready to run.

    Attributes:
        inits: parameters, callees' included, in the order they are read, with their first values.
        owners: the functions they belong to.
        addresses: choices, in order; ``known`` is the set of them. ``places``: the slots of their values.
        opaque: whether it calls functions that are not recorded.
        assembly: makes its traces.
    """

    def __init__(self, book: Book, frame: Frame) -> None:
        self.book, self.frame = book, frame
        self.rest, self.leading = tuple(book.rest), book.leading
        self.ids = book.params[::-1]
        self.assembly = Assembly(frame)
        first = _inits(frame, {})
        self.inits = {id: first[id] for id in book.params}
        self.owners = list(dict.fromkeys(owner for owner, _ in self.inits))
        self.no_reads = {} if self.owners else self.assembly.sorted_reads({})
        choices = book.choices
        self.addresses = [choice.address for choice in choices]
        self.known = frozenset(self.addresses)
        self.places = [choice.value for choice in choices]
        self.opaque = bool(frame.calls)
        rng = book.leading
        steps = [step for step in book.steps if step[0] != "share"]  # every slot of a parameter has its value at the start
        self.draw = [self._step(step, lambda choice: drawn(choice, rng)) for step in steps]
        self.score = [self._step(step, scored) for step in steps]
        self.once, self.each = hoisted(book, rng) if not self.opaque else ([], [])
        self.densities: list[Density] = [found for choice in choices if (found := derived(choice, book)) is not None]
        self._sweeps: dict[tuple[int, ...], Sweep] = {}

    def start(self, params: tuple[float, ...], args: list[float], rng: Any = None, asked: Any = None) -> list[Any]:
        """Slots before a run.

        Args:
            params: values of ``ids``.
            rng: what choices are drawn with.
            asked: what answers calls: ``f(callee, args, address)`` gives (trace, weight).
        """
        s = [*args, *self.rest, *params]
        s[self.leading] = rng
        s[self.leading + 1] = asked
        return s

    def columns(self, s: list[Any], count: int) -> list[list[Any]]:
        """Per choice the values of ``count`` runs, one after another; what no choice changes is worked out once."""
        for step in self.once:
            step(s)
        found: list[list[Any]] = [[] for _ in self.places]
        steps = [step if column is None else step(found[column].append) for step, column in self.each]
        for _ in range(count):
            for step in steps:
                step(s)
        return found

    def derivatives(self, s: list[Any], scale: float, retgrad: Any = None) -> tuple[list[Any], dict[Any, Any]]:
        """Of scale * score + J, in every argument and by parameter; dJ/dretval is ``retgrad``. None where nothing is reached."""
        g: list[Any] = [-0.0] * len(s)  # the zero that changes no bit of what is added to it
        g[self.leading] = scale
        more: dict[Any, Any] = {}
        g[self.leading + 1] = more  # where calls put the derivatives of parameters that are none of the program's
        if scale:
            for density in self.densities:
                density(s, g, scale)
        seeds = () if retgrad is None else tuple(seeded(self.frame.retval, retgrad, s, g))
        back, ids, values, unsure, missed = self.sweep(seeds)
        for step in back:
            step(s, g)
        more.update(zip(ids, values(g), strict=True))
        for id, place in unsure:
            if g[place]:
                more[id] = g[place]
        for place in missed:
            g[place] = None
        return g, more

    def _step(self, step: tuple[Any, ...], choice: Callable[[Any], Step]) -> Step:
        if step[0] == "choice":
            return choice(step[2])
        return answered(step[2], self.leading + 1) if step[0] == "call" else forward(*step)

    def sweep(self, seeds: tuple[int, ...]) -> Sweep:
        """Steps back from densities and other slots; the parameters that they reach and what gets their derivatives from
        the slots; those that calls may reach; the arguments that nothing does.
        """
        return self._sweeps.get(seeds) or self._swept(seeds)

    def _swept(self, seeds: tuple[int, ...]) -> Sweep:
        book, totals = self.book, self.frame.totals
        live, reached = book.live, _density_slots(book)
        reached.update(seeds)
        back: list[Back] = []
        for name, out, operands in reversed(book.steps):
            if name == "call":
                back.append(returned(operands, self.leading, reached, live, totals))
                reached.update(symbol.slot for symbol in symbols_in(operands.args))
            elif name != "choice" and out in reached and out in live and out not in book.packs:
                back.append(backward(name, out, operands, live))
                reached.update(operands)
        missed = [place for place in range(self.leading) if place not in reached]
        sure = {id: place for id, place in totals.items() if place in reached}
        unsure = [(id, place) for id, place in totals.items() if self.opaque and place not in reached]
        self._sweeps[seeds] = back, list(sure), _getter(list(sure.values())), unsure, missed
        return self._sweeps[seeds]


def _density_slots(book: Book) -> set[int]:
    """Slots that a density depends on; the rest needs no derivative."""
    found = {slot for choice in book.choices for slot in choice.args}
    for pack, slots in book.packs.items():
        if pack in found:
            found.update(slots)
    return found


def _inits(frame: Frame, found: dict[Any, Any]) -> dict[Any, Any]:
    for id, (init, _) in frame.reads.items():
        found.setdefault(id, init)
    for inner in frame.frames:
        _inits(inner, found)
    return found


def _getter(places: list[int]) -> Callable[[list[Any]], Iterable[Any]]:
    """What takes several elements of a list at once."""
    if len(places) > 1:
        return itemgetter(*places)
    return lambda g: [g[place] for place in places]
