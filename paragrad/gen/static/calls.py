"""Calls of functions that are not recorded, as steps of a program: each makes its own trace and has its own gradients."""

from __future__ import annotations

from typing import Any

from paragrad.gen.choices import select
from paragrad.gen.static.operations import Back, Step
from paragrad.gen.static.structures import builder, filled, gathered, seeded
from paragrad.gen.static.symbols import Opaque, symbols_in

NOTHING = select()


class Strayed(Exception):
    """A call returned something of another structure than when the program was recorded; the body has to run.

    Attributes:
        address: of that call.
        made: what was made until then; see ``Assembly.made``.
    """

    def __init__(self, address: Any) -> None:
        self.address = address
        self.made: dict[Any, tuple[Any, Any]] = {}


def answered(call: Opaque, asked: int) -> Step:
    """The step of a call, with what answers it in a slot."""
    gen_fn, address, given, retval, place = call
    args = builder(given)

    def step(s: list[Any]) -> None:
        s[place], s[place + 1] = trace, _ = s[asked](gen_fn, args(s), address)
        if not filled(retval, trace._retval, s):
            raise Strayed(address)

    return step


def returned(call: Opaque, leading: int, reached: set[int], live: set[int], totals: dict[Any, int]) -> Back:
    """The step of a call's derivatives: from what it returned to its arguments and parameters."""
    gen_fn, _, args, retval, place = call
    reached = set(reached)
    needed = [any(symbol.slot in live for symbol in symbols_in(arg)) for arg in args]

    def step(s: list[Any], g: list[Any]) -> None:
        scale, more = g[leading], g[leading + 1]
        found = gen_fn.gradients(s[place], NOTHING, gathered(retval, s, g, reached), needed, scale)
        for arg, own in zip(args, found.args, strict=False):
            seeded(arg, own, s, g)
        for id, own in found.params.items():
            if id in totals:
                g[totals[id]] += own
            else:
                more[id] = more[id] + own if id in more else own

    return step
