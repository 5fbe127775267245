"""Choices of a recorded body: drawing them, their log densities, and the derivatives in their arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from paragrad.gen.distributions.normal import Normal
from paragrad.gen.static.operations import Step
from paragrad.gen.static.symbols import Book, Choice

Density = Callable[[list[Any], list[Any], float], None]


def drawn(choice: Choice, rng: int) -> Step:
    """The step that draws a choice with the generator in a slot."""
    _, family, place, logp, args = choice
    draw, density = family.draw, family.log_density
    if len(args) == 2:
        i, j = args

        def two(s: list[Any]) -> None:
            x, y = s[i], s[j]
            value = s[place] = draw(s[rng], x, y)
            s[logp] = density(value, x, y)

        return two

    def any_(s: list[Any]) -> None:
        values = [s[k] for k in args]
        s[place] = draw(s[rng], *values)
        s[logp] = density(s[place], *values)

    return any_


def scored(choice: Choice) -> Step:
    """The step that works out the log density of a value that is there."""
    _, family, place, logp, args = choice
    density = family.log_density
    if len(args) == 2:
        i, j = args

        def two(s: list[Any]) -> None:
            s[logp] = density(s[place], s[i], s[j])

        return two

    def any_(s: list[Any]) -> None:
        s[logp] = density(s[place], *[s[k] for k in args])

    return any_


def derived(choice: Choice, book: Book) -> Density | None:
    """What hands the density's derivatives, times a factor, to the arguments; None where there is nothing to derive."""
    _, family, place, _, args = choice
    live, packs = book.live, book.packs
    wanted = [(at, k) for at, k in enumerate(args) if k in live]
    if not wanted:
        return None
    grad = family.log_density_grad
    if any(k in packs for _, k in wanted):
        return _spread(choice, wanted, book)
    if len(args) == 2:
        if len(wanted) == 2:
            return _normal(choice) if family is Normal else _pair(choice)
        return _normal_mean(choice) if family is Normal and wanted[0][0] == 0 else _single(choice, *wanted[0])

    def any_(s: list[Any], g: list[Any], scale: float) -> None:
        found = grad(s[place], *[s[k] for k in args])[1]
        for at, k in wanted:
            slope = found[at]
            if slope is not None:
                g[k] += slope * scale

    return any_


def _single(choice: Choice, at: int, into: int) -> Density:
    _, family, place, _, (i, j) = choice
    grad = family.log_density_grad

    def one(s: list[Any], g: list[Any], scale: float) -> None:
        slope = grad(s[place], s[i], s[j])[1][at]
        if slope is not None:
            g[into] += slope * scale

    return one


def _pair(choice: Choice) -> Density:
    _, family, place, _, (i, j) = choice
    grad = family.log_density_grad

    def two(s: list[Any], g: list[Any], scale: float) -> None:
        x, y = grad(s[place], s[i], s[j])[1]
        if x is not None:
            g[i] += x * scale
        if y is not None:
            g[j] += y * scale

    return two


def _normal(choice: Choice) -> Density:
    """The commonest family, without a call and two tuples."""
    _, _, place, _, (i, j) = choice
    other = _pair(choice)

    def normal(s: list[Any], g: list[Any], scale: float) -> None:
        std = s[j]
        if std.__class__ is float and std > 0.0:
            z = (s[place] - s[i]) / std
            g[i] += z / std * scale
            g[j] += (z * z - 1.0) / std * scale
        else:
            other(s, g, scale)

    return normal


def _normal_mean(choice: Choice) -> Density:
    """The same where only the mean has a derivative."""
    _, _, place, _, (i, j) = choice
    other = _single(choice, 0, i)

    def normal(s: list[Any], g: list[Any], scale: float) -> None:
        std = s[j]
        if std.__class__ is float and std > 0.0:
            g[i] += (s[place] - s[i]) / std / std * scale
        else:
            other(s, g, scale)

    return normal


def _spread(choice: Choice, wanted: list[tuple[int, int]], book: Book) -> Density:
    """Arguments that are lists of slots: to each its own."""
    _, family, place, _, args = choice
    grad, live, packs = family.log_density_grad, book.live, book.packs

    def spread(s: list[Any], g: list[Any], scale: float) -> None:
        found = grad(s[place], *[s[k] for k in args])[1]
        for at, k in wanted:
            slope = found[at]
            if slope is None:
                continue
            if k not in packs:
                g[k] += slope * scale
                continue
            for own, part in zip(slope, packs[k], strict=True):
                if part in live:
                    g[part] += float(own * scale)

    return spread
