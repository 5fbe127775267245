"""Where random numbers come from: an explicit generator, a seeded block, the run's coordinate, or fresh entropy.

The process's global random state is never read or changed.
"""

from __future__ import annotations

import os
from contextvars import ContextVar, Token
from importlib import import_module
from random import Random
from typing import Any

from paragrad.context import current_scope
from paragrad.errors import UsageError

_SEEDED: ContextVar[Random | None] = ContextVar("paragrad_gen_seeded", default=None)
_MANY = "_paragrad_many"
_FRESH: ContextVar[tuple[int, Random] | None] = ContextVar("paragrad_gen_fresh", default=None)


class seed:
    """Draw from one seeded generator inside a block: ``with gen.seed(0):``.

    Threads that start inside the block share it, in whatever order they draw; give each its own
    ``gen.seed`` or ``rng=`` where the order matters.

    Args:
        seed: an integer, or a ``random.Random`` to go on with.
    """

    __slots__ = ("_rng", "_token")
    _token: Token[Random | None]

    def __init__(self, seed: int | Random) -> None:
        self._rng = generator(seed)

    def __enter__(self) -> Random:
        self._token = _SEEDED.set(self._rng)
        return self._rng

    def __exit__(self, *_: object) -> None:
        _SEEDED.reset(self._token)


def generator(rng: Any) -> Random:
    """A generator from a seed or a generator.

    Raises:
        UsageError: neither; numpy generators are made from it where a batch needs one.
    """
    if isinstance(rng, Random):
        return rng
    if isinstance(rng, int):
        return Random(rng)
    raise UsageError(f"rng={rng!r:.60} is no generator; give a seed or a random.Random")


def ambient() -> Random:
    """The generator of this context: of the seeded block, else of the run's next coordinate, else an unseeded one."""
    seeded = _SEEDED.get()
    if seeded is not None:
        return seeded
    scope = current_scope()
    if scope is not None:
        return scope.random()
    fresh = _FRESH.get()
    if fresh is None or fresh[0] != os.getpid():  # a forked child must not repeat its parent
        fresh = (os.getpid(), Random())
        _FRESH.set(fresh)
    return fresh[1]


def many(rng: Random) -> Any:
    """A numpy generator for one batch, its state made of the next 256 bits of ``rng``.

    The generator object is kept at ``rng`` and set anew for every batch, as making one costs twenty times as much.
    """
    found = rng.__dict__.get(_MANY)
    if found is None:
        numpy: Any = import_module("numpy")
        found = rng.__dict__[_MANY] = numpy.random.Generator(numpy.random.PCG64(0))
    state = {"state": rng.getrandbits(128), "inc": rng.getrandbits(128) | 1}
    found.bit_generator.state = {"bit_generator": "PCG64", "state": state, "has_uint32": 0, "uinteger": 0}
    return found
