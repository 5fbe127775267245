"""Independent samples: drawn in chunks with a generator each, so any number of threads gives the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from random import Random
from typing import Any, TypeVar

from paragrad.context import Scope, current_scope, scope
from paragrad.executors import Threads
from paragrad.gen.environment import Environment
from paragrad.gen.static.function import StaticGenerative
from paragrad.gen.training.densities import Unfit
from paragrad.gen.training.fused import Body, Watched
from paragrad.gen.training.replayed import Replayed
from paragrad.gen.training.sums import positive

T = TypeVar("T")
MOST_PER_CHUNK, CHUNKS = 25, 16


class Samples:
    """Draws samples for a training loop.

    Args:
        context: the resolved parameter context.
        seed: of everything that is drawn.
        workers: threads; they pay where a sample waits, for a language model say, or for array work.

    Attributes:
        watched: a block in which bodies run without traces.
    """

    def __init__(self, context: Any, seed: int, workers: int = 1) -> None:
        positive(workers=workers)
        self.context = context
        self.rng = Random(seed)
        self._threads = Threads(workers) if workers > 1 else None
        self._many: Any = None
        self.watched = Watched()
        self._bodies: dict[Any, Body | Replayed] = {}

    def environment(self) -> Environment:
        """One execution's environment, with a generator of its own."""
        return Environment(self.context, Random(self.rng.getrandbits(64)))

    def batch(self, size: int) -> Environment:
        """The environment of ``size`` samples at once."""
        made = Environment(self.context, self.rng, size)
        if self._many is None:
            self._many = made.rng_many
        made._many = self._many
        return made

    def body(self, gen_fn: Any, args: tuple[Any, ...], env: Environment, tracked: bool, role: str = "") -> Body | Replayed:
        """A body that runs without traces, ready for an environment; the same one in every update of a loop.

        Raises:
            Unfit: it cannot.
        """
        key = gen_fn, tracked, role, env.size is None
        found = self._bodies.get(key)
        if found is None:
            found = self._bodies[key] = _replayed(gen_fn, args, env, tracked) or Body(gen_fn, tracked)
        return found.begin(env)

    def chunks(self, count: int, work: Callable[[Environment, range], T]) -> list[T]:
        """``work(environment, numbers)`` for ``count`` samples in chunks, in order.

        Every chunk is pinned to one commit per store. Model calls take their coordinates in chunk order.
        """
        size = min(MOST_PER_CHUNK, max(1, count // CHUNKS))
        jobs = [(self.environment(), range(begin, min(begin + size, count))) for begin in range(0, count, size)]
        return self._run([partial(work, env, numbers) for env, numbers in jobs])

    def each(self, count: int, work: Callable[[Environment, int], T]) -> list[T]:
        """``work(environment, number)`` for every sample, in order."""
        found = self.chunks(count, lambda env, numbers: [work(env, number) for number in numbers])
        return [one for chunk in found for one in chunk]

    def _run(self, calls: list[Callable[[], T]]) -> list[T]:
        outer = current_scope()
        scopes: list[Scope | None] = [outer.child() if outer is not None else None for _ in calls]
        if self._threads is None or len(calls) == 1:
            return [_inside(at, call) for at, call in zip(scopes, calls, strict=True)]
        found = self._threads.map(lambda job: _inside(*job), list(zip(scopes, calls, strict=True)))
        return [outcome.get() for _, outcome in found]

    def close(self) -> None:
        """End the threads."""
        if self._threads is not None:
            self._threads.close()


def _replayed(gen_fn: Any, args: tuple[Any, ...], env: Environment, tracked: bool) -> Replayed | None:
    if env.size is None or not isinstance(gen_fn, StaticGenerative):
        return None
    try:
        return Replayed(gen_fn, args, env, tracked)
    except Unfit:
        return None


@contextmanager
def sampling(context: Any, seed: int, workers: int) -> Iterator[Samples]:
    """A :class:`Samples` whose threads end with the block."""
    made = Samples(context, seed, workers)
    try:
        yield made
    finally:
        made.close()


def _inside(at: Scope | None, call: Callable[[], T]) -> T:
    if at is None:
        return call()
    with scope(at):
        return call()
