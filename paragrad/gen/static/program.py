"""Replaying what was recorded: each step is one closure over slots, each derivative another."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from paragrad.gen import functions
from paragrad.gen.static.drawing import hoisted
from paragrad.gen.static.symbols import Book, Symbol

Step = Callable[[list[Any]], None]
Back = Callable[[list[Any], list[float]], None]


def _power_slope(s: list[Any], a: int, b: int) -> float:
    return float(s[b] * s[a] ** (s[b] - 1.0)) if s[b] else 0.0


def _sign(x: float) -> float:
    return (x > 0) * 1.0 - (x < 0) * 1.0


BINARY: dict[str, tuple[Callable[[Any, Any], Any], Callable[..., float], Callable[..., float]]] = {
    "add": (operator.add, lambda s, o, a, b: 1.0, lambda s, o, a, b: 1.0),
    "divide": (operator.truediv, lambda s, o, a, b: 1.0 / s[b], lambda s, o, a, b: -s[o] / s[b]),
    "multiply": (operator.mul, lambda s, o, a, b: s[b], lambda s, o, a, b: s[a]),
    "power": (operator.pow, lambda s, o, a, b: _power_slope(s, a, b), lambda s, o, a, b: s[o] * math.log(s[a])),
    "subtract": (operator.sub, lambda s, o, a, b: 1.0, lambda s, o, a, b: -1.0),
}
UNARY: dict[str, tuple[Callable[[Any], Any], Callable[[list[Any], int, int], float]]] = {
    "absolute": (abs, lambda s, o, a: _sign(s[a])),
    "cos": (math.cos, lambda s, o, a: -math.sin(s[a])),
    "exp": (math.exp, lambda s, o, a: s[o]),
    "log": (math.log, lambda s, o, a: 1.0 / s[a]),
    "log1p": (math.log1p, lambda s, o, a: 1.0 / (1.0 + s[a])),
    "negative": (operator.neg, lambda s, o, a: -1.0),
    "sigmoid": (functions.sigmoid, lambda s, o, a: s[o] * (1.0 - s[o])),
    "sin": (math.sin, lambda s, o, a: math.cos(s[a])),
    "softplus": (functions.softplus, lambda s, o, a: functions.sigmoid(s[a])),
    "sqrt": (math.sqrt, lambda s, o, a: 0.5 / s[o]),
    "square": (lambda x: x * x, lambda s, o, a: 2.0 * s[a]),
    "tanh": (math.tanh, lambda s, o, a: 1.0 - s[o] * s[o]),
}
OPERATIONS = frozenset([*BINARY, *UNARY])


class Program:
    """A recorded body, ready to run on floats.

    Attributes:
        names: parameters, in slot order. ``addresses``: choices, in order.
        retval: what it returns, of the slots.
    """

    def __init__(self, gen_fn: Any, book: Book, retval: Any) -> None:
        self.names = book.names
        self.ids = [(gen_fn, name) for name, _ in book.names]
        self.rest = [*book.rest, None]  # the last slot holds the generator
        self.size = book.leading + len(self.rest)
        self.addresses = [entry[0] for entry in book.choices]
        self.known = frozenset(self.addresses)
        self.places = [entry[2] for entry in book.choices]
        self.logps = [entry[3] for entry in book.choices]
        ops = [step for step in book.steps if step[0] != "choice"]
        self.draw = [_draw(*step[1]) if step[0] == "choice" else _forward(*step) for step in book.steps]
        self.score = [_score(*step[1]) if step[0] == "choice" else _forward(*step) for step in book.steps]
        self.once, self.each = hoisted(book, _forward)
        self.densities = [_density(entry, book.symbolic) for entry in book.choices if book.symbolic & set(entry[4])]
        reached = _reached(book, ops)
        self.back = [_backward(step[0], step[1], step[2], book.symbolic) for step in reversed(ops) if step[1] in reached]
        self.retval = _builder(retval)

    def start(self, params: tuple[float, ...], args: list[float], rng: Any = None) -> list[Any]:
        """Slots before a run."""
        s = [*params, *args, *self.rest]
        s[-1] = rng
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

    def derivatives(self, s: list[Any]) -> list[float]:
        """Of the score, in every slot."""
        g = [0.0] * self.size
        for density in self.densities:
            density(s, g)
        for back in self.back:
            back(s, g)
        return g


def _reached(book: Book, ops: list[Any]) -> set[int]:
    """Slots that a density depends on; the rest needs no derivative."""
    reached = {slot for entry in book.choices for slot in entry[4]}
    for _, out, operands in reversed(ops):
        if out in reached:
            reached.update(operands)
    return reached


def _forward(name: str, out: int, operands: tuple[int, ...]) -> Step:
    if name in UNARY:
        function = UNARY[name][0]
        (a,) = operands

        def one(s: list[Any]) -> None:
            s[out] = function(s[a])

        return one
    both = BINARY[name][0]
    a, b = operands

    def two(s: list[Any]) -> None:
        s[out] = both(s[a], s[b])

    return two


def _backward(name: str, out: int, operands: tuple[int, ...], symbolic: set[int]) -> Back:
    if name in UNARY:
        slope = UNARY[name][1]
        (a,) = operands
        if name == "exp":

            def exponential(s: list[Any], g: list[float]) -> None:
                g[a] += g[out] * s[out]

            return exponential

        def one(s: list[Any], g: list[float]) -> None:
            g[a] += g[out] * slope(s, out, a)

        return one
    _, left, right = BINARY[name]
    a, b = operands
    if b not in symbolic:

        def first(s: list[Any], g: list[float]) -> None:
            g[a] += g[out] * left(s, out, a, b)

        return first
    if a not in symbolic:

        def second(s: list[Any], g: list[float]) -> None:
            g[b] += g[out] * right(s, out, a, b)

        return second

    if name == "multiply":  # the common one, without two more calls

        def product(s: list[Any], g: list[float]) -> None:
            x = g[out]
            g[a] += x * s[b]
            g[b] += x * s[a]

        return product

    def two(s: list[Any], g: list[float]) -> None:
        x = g[out]
        g[a] += x * left(s, out, a, b)
        g[b] += x * right(s, out, a, b)

    return two


def _draw(address: Any, family: Any, place: int, logp: int, args: tuple[int, ...]) -> Step:
    draw, density = family.draw, family.log_density
    if len(args) == 2:
        i, j = args

        def two(s: list[Any]) -> None:
            x, y = s[i], s[j]
            value = s[place] = draw(s[-1], x, y)
            s[logp] = density(value, x, y)

        return two

    def any_(s: list[Any]) -> None:
        values = [s[k] for k in args]
        s[place] = draw(s[-1], *values)
        s[logp] = density(s[place], *values)

    return any_


def _score(address: Any, family: Any, place: int, logp: int, args: tuple[int, ...]) -> Step:
    density = family.log_density
    if len(args) == 2:
        i, j = args

        def two(s: list[Any]) -> None:
            s[logp] = density(s[place], s[i], s[j])

        return two

    def any_(s: list[Any]) -> None:
        s[logp] = density(s[place], *[s[k] for k in args])

    return any_


def _density(entry: tuple[Any, Any, int, int, tuple[int, ...]], symbolic: set[int]) -> Back:
    _, family, place, _, args = entry
    grad = family.log_density_grad
    if len(args) == 2 and symbolic.issuperset(args):
        i, j = args

        def two(s: list[Any], g: list[float]) -> None:
            x, y = grad(s[place], s[i], s[j])[1]
            if x is not None:
                g[i] += x
            if y is not None:
                g[j] += y

        return two
    if len(args) == 2:
        i, j = args
        at = 0 if i in symbolic else 1
        into = args[at]

        def one(s: list[Any], g: list[float]) -> None:
            slope = grad(s[place], s[i], s[j])[1][at]
            if slope is not None:
                g[into] += slope

        return one
    wanted = [(place_, k) for place_, k in enumerate(args) if k in symbolic]

    def any_(s: list[Any], g: list[float]) -> None:
        found = grad(s[place], *[s[k] for k in args])[1]
        for place_, k in wanted:
            slope = found[place_]
            if slope is not None:
                g[k] += slope

    return any_


def _builder(value: Any) -> Callable[[list[Any]], Any]:
    """A function of the slots that gives the return value."""
    kind = value.__class__
    if kind is Symbol:
        slot = value.slot
        return lambda s: s[slot]
    if kind is list or kind is tuple:
        parts = [_builder(part) for part in value]
        return lambda s: kind([part(s) for part in parts])
    if kind is dict:
        named = {key: _builder(part) for key, part in value.items()}
        return lambda s: {key: part(s) for key, part in named.items()}
    return lambda s: value
