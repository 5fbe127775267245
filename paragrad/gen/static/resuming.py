"""Runs of a body that go on where a replay had to stop: what was made there is taken over, not drawn again."""

from __future__ import annotations

from typing import Any

from paragrad.gen.choices import Choices
from paragrad.gen.environment import Environment
from paragrad.gen.running import Generation, Simulation
from paragrad.gen.trace import Trace

Made = dict[Any, tuple[Any, Any]]


class ResumedSimulation(Simulation):
    """Every choice is sampled that was not.

    Args:
        made: values with log densities, and traces with weights, by address.
    """

    __slots__ = ("made",)

    def __init__(self, gen_fn: Any, env: Environment, made: Made) -> None:
        super().__init__(gen_fn, env)
        self.made = made

    def chosen(self, dist: Any, address: Any) -> tuple[Any, Any]:
        return self.made.get(address) or super().chosen(dist, address)

    def callee(self, gen_fn: Any, args: tuple[Any, ...], address: Any) -> Trace:
        found = self.made.get(address)
        return found[0] if found is not None else super().callee(gen_fn, args, address)


class ResumedGeneration(Generation):
    """The same with all of its own choices given, which draw nothing."""

    __slots__ = ("made",)

    def __init__(self, gen_fn: Any, env: Environment, constraints: Choices, made: Made) -> None:
        super().__init__(gen_fn, env, constraints)
        self.made = made

    def callee(self, gen_fn: Any, args: tuple[Any, ...], address: Any) -> Trace:
        found = self.made.get(address)
        if found is None:
            return super().callee(gen_fn, args, address)
        trace, weight = found
        self.weight += weight
        return trace  # type: ignore[no-any-return]
