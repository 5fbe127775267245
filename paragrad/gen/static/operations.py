"""What a recorded body can compute: each operation is one closure over slots, its derivative another."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from paragrad.gen.functions import sigmoid, softplus

Step = Callable[[list[Any]], None]
Back = Callable[[list[Any], list[Any]], None]


def _power_slope(s: list[Any], a: int, b: int) -> float:
    return float(s[b] * s[a] ** (s[b] - 1.0)) if s[b] else 0.0


def _sign(x: float) -> float:
    return (x > 0) * 1.0 - (x < 0) * 1.0


BINARY: dict[str, tuple[Callable[[Any, Any], Any], Callable[..., float], Callable[..., float]]] = {
    "add": (operator.add, lambda s, o, a, b: 1.0, lambda s, o, a, b: 1.0),
    "divide": (operator.truediv, lambda s, o, a, b: 1.0 / s[b], lambda s, o, a, b: -s[o] / s[b]),
    "multiply": (operator.mul, lambda s, o, a, b: s[b], lambda s, o, a, b: s[a]),
    "power": (operator.pow, lambda s, o, a, b: _power_slope(s, a, b), lambda s, o, a, b: s[o] * _log(s[a])),
    "subtract": (operator.sub, lambda s, o, a, b: 1.0, lambda s, o, a, b: -1.0),
}
UNARY: dict[str, tuple[Callable[[Any], Any], Callable[[list[Any], int, int], float]]] = {
    "absolute": (abs, lambda s, o, a: _sign(s[a])),
    "cos": (math.cos, lambda s, o, a: -math.sin(s[a])),
    "exp": (math.exp, lambda s, o, a: s[o]),
    "log": (math.log, lambda s, o, a: 1.0 / s[a]),
    "log1p": (math.log1p, lambda s, o, a: 1.0 / (1.0 + s[a])),
    "negative": (operator.neg, lambda s, o, a: -1.0),
    "same": (lambda x: x, lambda s, o, a: 1.0),
    "share": (lambda x: x, lambda s, o, a: 1.0),
    "sigmoid": (sigmoid, lambda s, o, a: s[o] * (1.0 - s[o])),
    "sin": (math.sin, lambda s, o, a: math.cos(s[a])),
    "softplus": (softplus, lambda s, o, a: sigmoid(s[a])),
    "sqrt": (math.sqrt, lambda s, o, a: 0.5 / s[o]),
    "tanh": (math.tanh, lambda s, o, a: 1.0 - s[o] * s[o]),
}
OPERATIONS = frozenset([*BINARY, *UNARY])


def forward(name: str, out: int, operands: tuple[int, ...]) -> Step:
    """The step of an operation."""
    if name in UNARY:
        function = UNARY[name][0]
        (a,) = operands

        def one(s: list[Any]) -> None:
            s[out] = function(s[a])

        return one
    if name in BINARY:
        both = BINARY[name][0]
        a, b = operands

        def two(s: list[Any]) -> None:
            s[out] = both(s[a], s[b])

        return two
    kind = tuple if name == "tuple" else list

    def pack(s: list[Any]) -> None:
        s[out] = kind([s[k] for k in operands])

    return pack


def backward(name: str, out: int, operands: tuple[int, ...], live: set[int]) -> Back:
    """The step of an operation's derivatives: from what it made to what it was made of."""
    if name in UNARY:
        return _of_one(name, out, *operands)
    a, b = operands
    left, right = BINARY[name][1:]
    if b not in live:

        def first(s: list[Any], g: list[Any]) -> None:
            g[a] += g[out] * left(s, out, a, b)

        return first
    if a not in live:

        def second(s: list[Any], g: list[Any]) -> None:
            g[b] += g[out] * right(s, out, a, b)

        return second
    if name == "multiply":  # the common one, without two more calls

        def product(s: list[Any], g: list[Any]) -> None:
            x = g[out]
            g[a] += x * s[b]
            g[b] += x * s[a]

        return product

    def two(s: list[Any], g: list[Any]) -> None:
        x = g[out]
        g[a] += x * left(s, out, a, b)
        g[b] += x * right(s, out, a, b)

    return two


def _of_one(name: str, out: int, a: int) -> Back:
    if name == "same" or name == "share":

        def copy(s: list[Any], g: list[Any]) -> None:
            g[a] += g[out]

        return copy
    if name == "exp":

        def exponential(s: list[Any], g: list[Any]) -> None:
            g[a] += g[out] * s[out]

        return exponential
    slope = UNARY[name][1]

    def one(s: list[Any], g: list[Any]) -> None:
        g[a] += g[out] * slope(s, out, a)

    return one


def _log(x: float) -> float:
    return math.log(x) if x > 0 else math.nan
