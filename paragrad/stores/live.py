"""Live accumulators: gradients that are added in place, one lock per parameter."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from math import prod
from typing import Any

from paragrad.stores.accumulate import Accumulator, checked, merged, pushed, working_dtype

_FEW, _MANY = 1 << 16, 1 << 24
"""Elements of arrays that get a second sum: adding takes longer than passing the lock on, and the second, made when two threads add
at the same time, does not take much room."""


def has_second(acc: Accumulator) -> bool:
    """Whether a plain sum of this shape has a second one, which takes what comes while another thread adds to the first."""
    return acc.shape is not None and _FEW <= prod(acc.shape) <= _MANY and (os.cpu_count() or 1) > 1


def idle(several: Sequence[Any]) -> Any:
    """The first sum that nobody adds to, so that as many threads add at once as there are sums; what it says may be over at once."""
    for each in several:
        if not each.busy:
            return each
    return several[threading.get_native_id() % len(several)]


class Stripe:
    """One running sum with its lock.

    Attributes:
        busy: whether somebody is adding; a hint, see ``idle``.
    """

    __slots__ = ("acc", "buffer", "busy", "count", "lock")

    def __init__(self, acc: Accumulator) -> None:
        self.lock = threading.RLock()
        self.busy = False
        self.load(acc)

    def load(self, acc: Accumulator) -> None:
        """Continue from ``acc``."""
        self.acc = acc
        self.buffer: Any = None
        self.count = 0

    def add(self, delta: Any, scale: float, exact: bool) -> None:
        """Add in place where the parameter is an array and the sum a plain one; the lock is held by the caller."""
        self.busy = True
        try:
            self._add(delta, scale, exact)
        finally:
            self.busy = False

    def _add(self, delta: Any, scale: float, exact: bool) -> None:
        if exact or self.acc.shape is None:
            self.acc = pushed(self.acc, delta, scale, exact)
            return
        import numpy

        term = delta if scale == 1.0 else delta * scale
        if self.buffer is None:
            self.buffer = numpy.array(term, dtype=working_dtype(self.acc))
        else:
            numpy.add(self.buffer, term, out=self.buffer, casting="same_kind")
        self.count += 1

    def snapshot(self, exact: bool) -> Accumulator:
        """What was added so far; shares nothing with what is added later."""
        if self.buffer is None:
            return self.acc
        added = Accumulator(self.acc.shape, self.acc.dtype, self.count, (self.buffer.copy(),))
        return merged(self.acc, added, exact) if self.acc.count else added


class Live:
    """The accumulator of one parameter.

    Args:
        acc: where it starts.
        stripes: running sums at least; threads spread over them. A large array has two: see ``_FEW``.
        exact: order-independent sums.
    """

    __slots__ = ("exact", "moved", "stripes", "template", "tokens")

    def __init__(self, acc: Accumulator, stripes: int, exact: bool) -> None:
        self.template = Accumulator(acc.shape, acc.dtype)
        self.exact = exact
        if not exact and has_second(acc):
            stripes = max(stripes, 2)
        self.stripes = [Stripe(acc), *(Stripe(self.template) for _ in range(stripes - 1))]
        self.tokens: set[str] = set()
        self.moved = False

    def push(self, name: str, delta: Any, scale: float, token: str | None) -> bool:
        """Add once; a known ``token`` adds nothing. False: another accumulator has taken over, push there."""
        fitting = checked(name, self.template, delta, scale)
        stripe = idle(self.stripes if token is None else self.stripes[:1])  # tokens are told apart under one lock
        with stripe.lock:
            if self.moved:
                return False
            if token is None or token not in self.tokens:
                stripe.add(fitting, scale, self.exact)
            if token is not None:
                self.tokens.add(token)
        return True

    @contextmanager
    def held(self) -> Iterator[None]:
        """No push gets in between."""
        with ExitStack() as locks:
            for stripe in self.stripes:
                locks.enter_context(stripe.lock)
            yield

    def snapshot(self) -> Accumulator:
        """The sum of the stripes; the locks are held by the caller."""
        total = self.stripes[0].snapshot(self.exact)
        for stripe in self.stripes[1:]:
            part = stripe.snapshot(self.exact)
            total = merged(total, part, self.exact) if part.count else total
        return total

    def load(self, acc: Accumulator) -> None:
        """Continue from ``acc``; the locks are held by the caller."""
        for stripe, start in zip(self.stripes, [acc, *[self.template] * (len(self.stripes) - 1)], strict=True):
            stripe.load(start)
