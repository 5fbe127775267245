"""One member's gradient in a flat group: the same as :class:`Live`, in a slice of the group's sums."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import isfinite
from typing import Any

from paragrad.stores.accumulate import Accumulator, checked, total
from paragrad.stores.flat import Flat


class FlatLive:
    """The accumulator of one member.

    Args:
        flat: the group. ``place``: which member. ``acc``: where it starts.
    """

    __slots__ = ("count", "epoch", "flat", "lock", "moved", "place", "start", "template", "tokens", "view")

    def __init__(self, flat: Flat, place: int, acc: Accumulator, tokens: set[str]) -> None:
        self.flat = flat
        self.place = place
        self.start = flat.starts[place]
        self.template = Accumulator(acc.shape, acc.dtype)
        self.lock = flat.locks[place]
        shape = flat.shapes[place]
        self.view = None if shape is None else flat.sums[self.start : flat.starts[place + 1]].reshape(shape)
        self.tokens = tokens
        self.moved = False
        self.count = 0
        self.epoch = -1
        flat.members[place] = self
        with self.lock:
            self.load(acc)

    def push(self, name: str, delta: Any, scale: float, token: str | None) -> bool:
        """Add once; a known ``token`` adds nothing. False: another accumulator has taken over, push there."""
        if delta.__class__ is float and self.view is None and isfinite(delta * scale):  # what most pushes to a number are
            term = delta * scale
        else:
            fitting = checked(name, self.template, delta, scale)
            term = fitting if scale == 1.0 else fitting * scale
        with self.lock:
            if self.moved:
                return False
            if token is None or token not in self.tokens:
                self.add(term)
            if token is not None:
                self.tokens.add(token)
        return True

    def add(self, term: Any) -> None:
        """Add a float, or an array of the member's shape; the lock is held by the caller."""
        flat = self.flat
        if self.epoch != flat.epoch:  # the first since the last step: it replaces what that one used
            self.epoch = flat.epoch
            self.count = 1
            flat.touched += 1
            if self.view is None:
                flat.fast[self.start] = term
            else:
                import numpy

                numpy.copyto(self.view, term, casting="same_kind")
            return
        self.count += 1
        if self.view is None:
            flat.fast[self.start] += term
        else:
            import numpy

            numpy.add(self.view, term, out=self.view, casting="same_kind")

    @property
    def pushes(self) -> int:
        """How many pushes the sum has."""
        return self.count if self.epoch == self.flat.epoch else 0

    @contextmanager
    def held(self) -> Iterator[None]:
        """No push gets in between."""
        with self.lock:
            yield

    def snapshot(self) -> Accumulator:
        """The sum; shares nothing with what is added later. The lock is held by the caller."""
        count = self.pushes
        if not count:
            return self.template
        term = self.flat.fast[self.start] if self.view is None else self.view.copy()
        return Accumulator(self.template.shape, self.template.dtype, count, (term,))

    def load(self, acc: Accumulator) -> None:
        """Continue from ``acc``; the lock is held by the caller."""
        flat = self.flat
        found = total(acc) if acc.terms else 0.0
        if self.view is None:
            flat.fast[self.start] = found
        else:
            self.view[...] = found
        flat.touched += (acc.count > 0) - (self.pushes > 0)
        self.count = acc.count
        self.epoch = flat.epoch if acc.count else -1
