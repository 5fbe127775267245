"""Many runs of a recorded body, one after another, of which only the choices' values are kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from paragrad.gen.static.symbols import Book

Step = Callable[[list[Any]], None]


def hoisted(book: Book, forward: Callable[..., Step]) -> tuple[list[Step], list[tuple[Any, int | None]]]:
    """Steps that no choice changes, and the others; with a choice's number where it keeps its values in a list.

    Args:
        forward: makes the step of an operation.
    """
    varies = {entry[2] for entry in book.choices}
    once: list[Step] = []
    each: list[tuple[Any, int | None]] = []
    column = 0
    for step in book.steps:
        if step[0] == "choice":
            _, family, place, _, args = step[1]
            each.append((_keep(family.draw, place, args), column))
            column += 1
        elif varies.isdisjoint(step[2]):
            once.append(forward(*step))
        else:
            varies.add(step[1])
            each.append((forward(*step), None))
    return once, each


def _keep(draw: Any, place: int, args: tuple[int, ...]) -> Callable[[Any], Step]:
    """A draw that also goes to the end of a list."""

    def into(append: Any) -> Step:
        if len(args) == 2:
            i, j = args

            def two(s: list[Any]) -> None:
                value = s[place] = draw(s[-1], s[i], s[j])
                append(value)

            return two

        def any_(s: list[Any]) -> None:
            value = s[place] = draw(s[-1], *[s[k] for k in args])
            append(value)

        return any_

    return into
