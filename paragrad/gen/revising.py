"""Executing the body again to change a trace: ``update`` and ``regenerate``."""

from __future__ import annotations

from typing import Any

from paragrad.gen.choices import MISSING, Choices, Selection, path
from paragrad.gen.environment import Environment, Read
from paragrad.gen.given import PLAIN
from paragrad.gen.interface import GenerativeFunction
from paragrad.gen.parameters import read as read_parameter
from paragrad.gen.running import Run
from paragrad.gen.trace import Trace


class Revision(Run):
    """A new version of a trace: what ``update`` and ``regenerate`` share."""

    __slots__ = ("discard", "previous")

    def __init__(self, gen_fn: Any, env: Environment, previous: Trace) -> None:
        super().__init__(gen_fn, env)
        self.previous = previous
        self.discard: dict[Any, Any] = {}

    def kept(self, dist: Any, address: Any, value: Any) -> tuple[Any, Any]:
        """A value that stays or is given: its weight is the difference to what it was."""
        logp = dist.logpdf(value)
        self.weight += logp - self.previous._logps.get(address, 0.0)
        return value, logp


class Update(Revision):
    """Constrained choices are replaced, the others kept, new ones sampled, vanished ones discarded."""

    __slots__ = ("constraints",)

    def __init__(self, gen_fn: Any, env: Environment, previous: Trace, constraints: Choices) -> None:
        super().__init__(gen_fn, env, previous)
        self.constraints = constraints

    def chosen(self, dist: Any, address: Any) -> tuple[Any, Any]:
        given = self.constraints._values.get(address, MISSING)
        old = self.previous._values.get(address, MISSING)
        if given is not MISSING:
            if old is not MISSING:
                self.discard[address] = old
            return self.kept(dist, address, given)
        if old is not MISSING:
            return self.kept(dist, address, old)
        return super().chosen(dist, address)

    def callee(self, gen_fn: GenerativeFunction, args: tuple[Any, ...], address: Any) -> Trace:
        given = self.constraints.sub(address)
        old = self.previous._calls.get(address)
        if old is not None and old.gen_fn is gen_fn:
            if not given and unchanged(old, args, self.env):
                return old
            trace, weight, discard = gen_fn.update(old, args, given, self.env)
        else:
            trace, weight = gen_fn.generate(args, given, self.env)
            discard = Choices()
            if old is not None:
                weight, discard = weight - old._score, old.choices
        self.weight += weight
        self.discard.update({(*path(address), *path(below)): value for below, value in discard.items()})
        return trace

    def execute(self, args: tuple[Any, ...]) -> Trace:
        trace = super().execute(args)
        for address, old in self.previous._values.items():
            if address not in self.values:
                self.discard[address] = old
                self.weight -= self.previous._logps[address]
        for address, call in self.previous._calls.items():
            if address not in self.calls:
                self.discard.update({(*path(address), *path(below)): value for below, value in call.choices.items()})
                self.weight -= call._score
        return trace


class Regeneration(Revision):
    """Selected choices are sampled anew, the others kept; new ones are sampled, vanished ones forgotten."""

    __slots__ = ("selection",)

    def __init__(self, gen_fn: Any, env: Environment, previous: Trace, selection: Selection) -> None:
        super().__init__(gen_fn, env, previous)
        self.selection = selection

    def chosen(self, dist: Any, address: Any) -> tuple[Any, Any]:
        old = self.previous._values.get(address, MISSING)
        if old is MISSING or address in self.selection:
            return super().chosen(dist, address)
        return self.kept(dist, address, old)

    def callee(self, gen_fn: GenerativeFunction, args: tuple[Any, ...], address: Any) -> Trace:
        old = self.previous._calls.get(address)
        if old is None or old.gen_fn is not gen_fn:
            return gen_fn.simulate(args, self.env)
        trace, weight = gen_fn.regenerate(old, args, self.selection.sub(address), self.env)
        self.weight += weight
        return trace


def unchanged(old: Trace, args: tuple[Any, ...], env: Environment) -> bool:
    """Whether running again on these arguments would surely give the same trace."""
    if len(args) != len(old._args) or env.size is not None:
        return False
    same = all(
        new is was or (new.__class__ in PLAIN and new.__class__ is was.__class__ and new == was)
        for new, was in zip(args, old._args, strict=True)
    )
    return same and all(_as_read(id, read, old.gen_fn, env) for id, read in old.reads.items())


def _as_read(id: Any, read: Any, owner: Any, env: Environment) -> bool:
    """Whether a parameter would be read again as it was."""
    if read.__class__ is Read:
        return env.pin(read.store) == read.commit
    now = read_parameter(id, owner, env)
    return now.leaf.cell is read.leaf.cell and now.version == read.version
