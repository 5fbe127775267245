"""The versions of one parameter as a skew-binary list: a new version reads nothing, an old one is found in O(log n) reads.

C. Okasaki, "Purely functional random-access lists", 1995: complete binary trees, newest first, whose
sizes grow. A version is the root of a tree; below it the newer and the older half of what came before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

_PLACE = re.compile(r"data/([0-9]{1,12}|[0-9a-f]{32})|large/[0-9a-f]{32}")


class Ref(NamedTuple):
    """Where stored bytes are, and their digest; ``version`` is the commit of a parameter's version, 0 for a document."""

    place: str
    offset: int
    size: int
    digest: str
    version: int


def ref_of(found: Any) -> Ref:
    """A Ref that was read from a file, which others may have written.

    Raises:
        ValueError: it is none, or names a file that is not one of the store's data.
    """
    place, offset, size, digest, version = found
    if not isinstance(place, str) or not _PLACE.fullmatch(place) or not isinstance(digest, str):
        raise ValueError(f"{place!r:.80} is no place of this store's data")
    if any(type(number) is not int or number < 0 for number in (offset, size, version)):
        raise ValueError(f"{found!r:.80} holds no numbers of bytes and commits")
    return Ref(place, offset, size, digest, version)


Roots = tuple[tuple[int, Ref], ...]
"""Trees, newest first: how many versions each holds, and its root."""

Read = Callable[[Ref], tuple[Any, tuple[Ref, ...]]]
"""What a version holds, and what is below it."""


def below(roots: Roots) -> tuple[Ref, ...]:
    """What the next version points at: two trees of equal size, newer first, or nothing."""
    if len(roots) > 1 and roots[0][0] == roots[1][0]:
        return roots[0][1], roots[1][1]
    return ()


def grown(roots: Roots, newest: Ref) -> Roots:
    """The list with one more version."""
    if below(roots):
        return (1 + 2 * roots[0][0], newest), *roots[2:]
    return (1, newest), *roots


def find(roots: Roots, at: int, read: Read) -> Ref | None:
    """The newest version not later than commit ``at``; None when there was none. Reads one version per level."""
    found: Ref | None = None
    later: Ref | None = None
    for _, root in roots:
        if root.version <= at:
            found = root
            break
        later = root
    while later is not None:
        halves = read(later)[1]
        if not halves:
            return found
        newer, older = halves
        if newer.version <= at:
            return newer
        if older.version <= at:
            found, later = older, newer
        else:
            later = older
    return found


def walk(roots: Roots, read: Read) -> Iterator[Any]:
    """What every version holds, newest first."""
    waiting = [root for _, root in reversed(roots)]
    while waiting:
        held, halves = read(waiting.pop())
        yield held
        waiting.extend(reversed(halves))
