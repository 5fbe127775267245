"""Flat groups: many small numeric parameters as slices of one array, so that a step is one operation on all of them.

Values are in one read-only buffer, fresh at every step; what a parameter's value is, is made from it when
somebody reads. Gradients are added into slices of one array of sums.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import accumulate
from math import inf, prod
from typing import Any

LARGE = 16384
"""Elements from which a parameter has a lock of its own, so that pushes to large ones do not wait for each other."""


class Flat:
    """Values and gradient sums of some parameters, end to end.

    Args:
        ids: names, for messages and state.
        values: one float array or float per id, all of one type of element.
        bounds: (low, high) per id, each None, a number or an array.

    Attributes:
        shared: whether ``lock`` is everybody's.
        buffer: the values now; read-only.
        sums: what was pushed since the last ``clear``; changed in place under ``lock`` (large ones: their own).
        epoch: counts clears; a member whose epoch is another was not pushed since. ``touched``: members pushed since.
    """

    __slots__ = (
        "buffer", "epoch", "fast", "finite", "high", "ids", "lock", "locks", "low", "shapes", "shared", "sizes", "starts", "strict", "sums", "tools",
        "touched",
    )  # fmt: skip

    def __init__(self, ids: Sequence[str], values: Sequence[Any], bounds: Sequence[tuple[Any, Any]]) -> None:
        import numpy

        self.ids = tuple(ids)
        self.shapes = tuple(getattr(value, "shape", None) for value in values)
        self.sizes = tuple(prod(shape or ()) for shape in self.shapes)
        self.starts = tuple(accumulate(self.sizes, initial=0))
        self.buffer = numpy.concatenate([numpy.ravel(value) for value in values])
        self.buffer.flags.writeable = False
        self.sums = numpy.zeros_like(self.buffer)
        self.fast: Any = memoryview(self.sums.data)
        self.finite = numpy.empty(self.buffer.shape, "bool")
        self.tools = (numpy.isfinite, numpy.count_nonzero)  # looked up once: a step of small parameters takes microseconds
        self.epoch = self.touched = 0
        self.lock = threading.RLock()
        self.locks = [self.lock if size < LARGE else threading.RLock() for size in self.sizes]
        self.shared = all(lock is self.lock for lock in self.locks)
        self.low, self.high = (self._bound([pair[end] for pair in bounds], free) for end, free in ((0, -inf), (1, inf)))
        self.strict = self.low is not None or self.high is not None or None in self.shapes

    @property
    def values(self) -> Any:
        """The buffer, as a part of a rule's state names it."""
        return self.buffer

    def _bound(self, each: Sequence[Any], free: float) -> Any:
        import numpy

        if all(bound is None for bound in each):
            return None
        found = numpy.empty_like(self.buffer)
        for place, bound in enumerate(each):
            part = found[self.starts[place] : self.starts[place + 1]]
            part[...] = free if bound is None else numpy.broadcast_to(bound, self.shapes[place] or ()).ravel()
        return found

    def leaf(self, place: int, buffer: Any) -> Any:
        """The value of one member: a float, or a read-only view of the buffer."""
        shape = self.shapes[place]
        start = self.starts[place]
        return buffer.item(start) if shape is None else buffer[start : self.starts[place + 1]].reshape(shape)

    def replaced(self, changes: Mapping[int, Any]) -> Any:
        """A new buffer in which some members have other values."""
        import numpy

        made = self.buffer.copy()
        for place, value in changes.items():
            made[self.starts[place] : self.starts[place + 1]] = numpy.ravel(value)
        made.flags.writeable = False
        return made

    def holding(self) -> ExitStack:
        """Keep pushes out; enter it."""
        stack = ExitStack()
        for lock in dict.fromkeys([self.lock, *self.locks]):
            stack.enter_context(lock)
        return stack

    def clear(self) -> None:
        """Forget the sums; the locks are held by the caller."""
        self.sums.fill(0)
        self.epoch += 1
        self.touched = 0

    def stepped(self, rule: Any, state: Any, mask: Any = None) -> tuple[Any, Any]:
        """What a rule makes of the buffer and the sums; nothing is changed here.

        Args:
            mask: which elements take part; None: all.

        Raises:
            ValueError: a sum is nan or infinite, or the rule gave another shape.
        """
        sums, before = self.sums, self.buffer
        self._refuse_unfinished(sums, "gradient")
        made, after = rule.step(before, sums, state)
        for key, item in after.items():
            if item is sums:
                after = {**after, key: item.copy()}
        if mask is not None:
            made, after = self._masked(mask, made, after, state)
        if self.low is not None or self.high is not None:
            made = made.clip(self.low, self.high)
        if made.shape != before.shape or made.dtype != before.dtype:
            raise ValueError(f"{rule!r} made {made.dtype}{list(made.shape)} of {before.dtype}{list(before.shape)}; a step keeps both")
        if made is sums:
            made = made.copy()
        if self.strict:
            self._refuse_unfinished(made, "next value")
        made.flags.writeable = False
        return made, after

    def _masked(self, mask: Any, made: Any, after: Mapping[str, Any], state: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        import numpy

        kept = {}
        for key, item in after.items():
            by_element = getattr(item, "shape", None) == self.buffer.shape and key in state
            kept[key] = numpy.where(mask, item, state[key]) if by_element else item
        return numpy.where(mask, made, self.buffer), kept

    def _refuse_unfinished(self, found: Any, what: str) -> None:
        """Raise where a number is nan or infinite, naming its member."""
        isfinite, count_nonzero = self.tools
        finite = isfinite(found, self.finite)
        if count_nonzero(finite) == finite.size:
            return
        import numpy

        bad = numpy.flatnonzero(~finite)
        place = int(numpy.searchsorted(self.starts, bad[0], side="right")) - 1
        raise ValueError(
            f"the {what} of {self.ids[place]!r:.120} is nan or infinite; nothing was written and the gradients are kept: "
            "find its cause, then reset the gradient or push finite ones"
        )
