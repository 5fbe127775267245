"""One member's gradient in a flat group: the same as :class:`Live`, in a slice of the group's sums.

A large member has a second sum, see :func:`~paragrad.stores.live.has_second`, which joins the slice before anybody looks at that.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import isfinite
from typing import Any

from paragrad.stores.accumulate import Accumulator, checked, total
from paragrad.stores.flat import Flat
from paragrad.stores.live import Stripe, has_second, idle


class FlatLive:
    """The accumulator of one member.

    Args:
        flat: the group. ``place``: which member. ``acc``: where it starts.

    Attributes:
        sums: the slice (this object itself) and the second sum. ``busy``: as in ``Stripe``.
    """

    __slots__ = ("busy", "count", "epoch", "flat", "lock", "moved", "place", "start", "sums", "template", "tokens", "view")

    def __init__(self, flat: Flat, place: int, acc: Accumulator, tokens: set[str]) -> None:
        self.flat = flat
        self.place = place
        self.start = flat.starts[place]
        self.template = Accumulator(acc.shape, acc.dtype)
        self.lock = flat.locks[place]
        shape = flat.shapes[place]
        self.view: Any = None if shape is None else flat.sums[self.start : flat.starts[place + 1]].reshape(shape)
        self.tokens = tokens
        self.moved = self.busy = False
        self.sums: tuple[Any, ...] = (self, Stripe(self.template)) if has_second(self.template) else ()
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
        if self.sums and token is None and idle(self.sums) is not self:
            return self._push_second(term)
        with self.lock:
            if self.moved:
                return False
            if token is None or token not in self.tokens:
                self.add(term)
            if token is not None:
                self.tokens.add(token)
        return True

    def _push_second(self, term: Any) -> bool:
        """The same where another thread is adding to the slice."""
        second = self.sums[1]
        with second.lock:
            if self.moved:
                return False
            second.add(term, 1.0, False)
        return True

    def collect(self) -> None:
        """Add the second sum to the slice; both locks are held by the caller."""
        if self.sums and (more := self.sums[1]).count:
            pushes, term = more.count, more.buffer
            more.load(self.template)
            self.add(term)
            self.count += pushes - 1

    def add(self, term: Any) -> None:
        """Add a float, or an array of the member's shape; the lock is held by the caller."""
        flat = self.flat
        first = self.epoch != flat.epoch  # since the last step: it replaces what that one used
        if first:
            self.epoch = flat.epoch
            self.count = 0
            flat.touched += 1
        self.count += 1
        if self.view is not None:
            self._add_array(term, first)
        elif first:
            flat.fast[self.start] = term
        else:
            flat.fast[self.start] += term

    def _add_array(self, term: Any, first: bool) -> None:
        import numpy

        self.busy = True
        try:
            if first:
                numpy.copyto(self.view, term, casting="same_kind")
            else:
                numpy.add(self.view, term, out=self.view, casting="same_kind")
        finally:
            self.busy = False

    @property
    def pushes(self) -> int:
        """How many pushes the sum has."""
        here = self.count if self.epoch == self.flat.epoch else 0
        return here + self.sums[1].count if self.sums else here

    @contextmanager
    def held(self) -> Iterator[None]:
        """No push gets in between, and the slice has all that came before."""
        if not self.sums:
            with self.lock:
                yield
            return
        with self.lock, self.sums[1].lock:
            self.collect()
            yield

    def snapshot(self) -> Accumulator:
        """The sum; shares nothing with what is added later. The caller is within ``held``."""
        count = self.pushes
        if not count:
            return self.template
        term = self.flat.fast[self.start] if self.view is None else self.view.copy()
        return Accumulator(self.template.shape, self.template.dtype, count, (term,))

    def load(self, acc: Accumulator) -> None:
        """Continue from ``acc``; the caller is within ``held``."""
        flat = self.flat
        found = total(acc) if acc.terms else 0.0
        if self.view is None:
            flat.fast[self.start] = found
        else:
            self.view[...] = found
        flat.touched += (acc.count > 0) - (self.pushes > 0)
        self.count = acc.count
        self.epoch = flat.epoch if acc.count else -1
