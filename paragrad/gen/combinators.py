"""Combinators: generative functions made of others. Their bodies are written in the modelling language, so the
parameter context, the batch and every verb pass through them as through any other function.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import index
from typing import Any

from paragrad.errors import UsageError
from paragrad.gen.calling import call
from paragrad.gen.interface import GenerativeFunction
from paragrad.gen.language import Generative
from paragrad.gen.static.function import StaticGenerative


class Combinator(Generative[..., Any]):
    """A body over other functions; it has no parameters of its own.

    Args:
        word: its name.
        parts: what it is made of.
        body: what it does.
        argument_grads: marks of its arguments.
        output_grad: mark of its return value.
    """

    def __init__(
        self, word: str, parts: Sequence[GenerativeFunction], body: Callable[..., Any], argument_grads: Sequence[bool], output_grad: bool
    ) -> None:
        super().__init__(body, grad=False)
        self.parts = tuple(parts)
        self.__name__ = self.__qualname__ = f"{word}({', '.join(map(repr, parts))})"
        self.argument_grads = tuple(argument_grads)
        self.output_grad = output_grad

    def callees(self) -> Sequence[GenerativeFunction]:
        """The functions it is made of."""
        return self.parts


class StaticCombinator(Combinator, StaticGenerative):
    """A combinator of static functions: all of it is recorded and replayed as one program."""


def map_(f: GenerativeFunction) -> Combinator:
    """``map_(f)(xs, ys)`` calls ``f(x, y)`` for each pair, at the addresses 0, 1, 2, …; the return values are a list.

    All arguments must have the same length.
    """

    _refuse_plain("map_", f)

    def body(*columns: Any) -> list[Any]:
        for column in columns:
            if not hasattr(column, "__len__"):
                raise UsageError(f"map_({f!r}) takes lists, one entry per call, not {column!r:.60}")
        sizes = {len(column) for column in columns}
        if len(sizes) > 1:
            raise UsageError(f"map_({f!r}) got arguments of the lengths {sorted(sizes)}; they must be equal")
        return [call(f, row, place) for place, row in enumerate(zip(*columns, strict=True))]

    return _once(_kind([f])("map_", [f], body, f.argument_grads, f.output_grad))


def unfold(kernel: GenerativeFunction) -> Combinator:
    """``unfold(kernel)(n, state, *rest)`` calls ``kernel(t, state, *rest)`` for t = 0 … n-1, each with the state before.

    The call at time t has the address t; the return value is the list of states.
    """

    _refuse_plain("unfold", kernel)

    def body(n: int, state: Any, *rest: Any) -> list[Any]:
        states = []
        for t in range(n if n.__class__ is int and n >= 0 else _steps(n, kernel)):
            state = call(kernel, (t, state, *rest), t)
            states.append(state)
        return states

    return _once(_kind([kernel])("unfold", [kernel], body, (False, *kernel.argument_grads[1:]), kernel.output_grad))


def switch(*branches: GenerativeFunction) -> Combinator:
    """``switch(f, g)(index, *args)`` is ``f(*args)`` or ``g(*args)``; its choices have the branch's own addresses.

    An address that two branches share keeps its value when ``update`` changes the index.
    """
    for branch in branches:
        if not isinstance(branch, Generative):
            raise UsageError(
                f"a branch of switch must be written with @gen.generative, which {branch!r:.80} is not; call it from one that is"
            )

    def body(branch: int, *args: Any) -> Any:
        place = _index(branch)
        if not 0 <= place < len(branches):
            raise UsageError(f"switch has the branches 0 to {len(branches) - 1}; got {branch!r:.40}")
        return call(branches[place], args)

    marks = [all(mark) for mark in zip(*(branch.argument_grads for branch in branches), strict=False)]
    return _once(_kind(branches)("switch", branches, body, (False, *marks), all(branch.output_grad for branch in branches)))


def _kind(parts: Sequence[GenerativeFunction]) -> type[Combinator]:
    return StaticCombinator if all(isinstance(part, StaticGenerative) for part in parts) else Combinator


def _once(made: Combinator) -> Combinator:
    """The same combinator of the same parts is one object, so that one made anew in every run is known again by ``update``."""
    if not made.parts:
        raise UsageError("switch needs at least one branch; write switch(f, g)")
    known: dict[Any, Combinator] = made.parts[0].__dict__.setdefault("_combinators", {})
    return known.setdefault((made.__name__.partition("(")[0], made.parts), made)


def _steps(n: Any, kernel: Any) -> int:
    """``n`` as a whole number."""
    try:
        found = index(n)
    except TypeError:
        found = -1
    if found < 0:
        raise UsageError(f"unfold({kernel!r}) makes n={n!r:.40} steps; n must be a whole number, 0 or more")
    return found


def _index(of: Any) -> int:
    """The number of a branch; -1 for what is none."""
    if isinstance(of, str):
        return -1
    place = int(of)
    return place if place == of else -1


def _refuse_plain(word: str, part: Any) -> None:
    if not isinstance(part, GenerativeFunction):
        raise UsageError(f"{word} takes generative functions, not {part!r:.80}; decorate it with @gen.generative")
