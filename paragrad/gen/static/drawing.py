"""Many runs of a recorded body, one after another, of which only the choices' values are kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from paragrad.gen.static.operations import Step, forward
from paragrad.gen.static.symbols import Book


def hoisted(book: Book, rng: int) -> tuple[list[Step], list[tuple[Any, int | None]]]:
    """Steps that no choice changes, and the others; with a choice's number where it keeps its values in a list."""
    varies: set[int] = set()
    once: list[Step] = []
    each: list[tuple[Any, int | None]] = []
    column = 0
    for step in book.steps:
        name, out, operands = step
        if name == "choice":
            varies.add(out)
            each.append((_keep(operands.family.draw, out, operands.args, rng), column))
            column += 1
        elif name == "share":
            continue
        elif varies.isdisjoint(operands):
            once.append(forward(*step))
        else:
            varies.add(out)
            each.append((forward(*step), None))
    return once, each


def _keep(draw: Any, place: int, args: tuple[int, ...], rng: int) -> Callable[[Any], Step]:
    """A draw that also goes to the end of a list."""

    def into(append: Any) -> Step:
        if len(args) == 2:
            i, j = args

            def two(s: list[Any]) -> None:
                value = s[place] = draw(s[rng], s[i], s[j])
                append(value)

            return two

        def any_(s: list[Any]) -> None:
            value = s[place] = draw(s[rng], *[s[k] for k in args])
            append(value)

        return any_

    return into
