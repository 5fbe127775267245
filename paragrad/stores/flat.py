"""Flat groups: many small numeric parameters as slices of one array, so that a step is one operation on all of them.

Values are in one read-only buffer, fresh at every step; what a parameter's value is, is made from it when
somebody reads. Gradients are added into slices of one array of sums.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from itertools import accumulate
from math import inf, isfinite, prod
from typing import Any

LARGE = 16384
"""Elements from which a parameter has a lock of its own, so that pushes to large ones do not wait for each other."""


MEMORY = 2**20
"""Bytes of old values that a group keeps."""


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
        clean: whether the sums of members that were not pushed are zero. The first push of an epoch replaces what
            was there, so where every member is pushed between two steps nothing need be set to zero.
        members: what accumulates into the sums, by place.
    """

    __slots__ = (
        "bounded", "buffer", "clean", "count", "epoch", "fast", "high", "ids", "lock", "locks", "low", "members", "shapes", "shared",
        "sizes", "starts", "strict", "sums", "touched", "unfinished",
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
        self.unfinished = unfinished_in(self.buffer.shape)
        self.members: list[Any] = [None] * len(self.ids)
        self.count = len(self.ids)
        self.epoch = self.touched = 0
        self.clean = True
        self.lock = threading.RLock()
        self.locks = [self.lock if size < LARGE else threading.RLock() for size in self.sizes]
        self.shared = all(lock is self.lock for lock in self.locks)
        self.low, self.high = (self._bound([pair[end] for pair in bounds], free) for end, free in ((0, -inf), (1, inf)))
        self.bounded = self.low is not None or self.high is not None
        self.strict = self.bounded or None in self.shapes

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
        """Keep pushes out, and let the sums have all that came before; it is entered already."""
        with ExitStack() as stack:
            for lock in dict.fromkeys([self.lock, *self.locks]):
                stack.enter_context(lock)
            for member in () if self.shared else self.members:
                stack.enter_context(member.held())
            return stack.pop_all()

    def clear(self) -> None:
        """Forget the sums; the locks are held by the caller."""
        if self.touched == self.count and self.shared:
            self.clean = False
        elif self.touched or not self.shared:
            self.sums.fill(0)
            self.clean = True
        self.epoch += 1
        self.touched = 0

    def settle(self) -> None:
        """Set to zero what earlier epochs left of members that were not pushed in this one; the locks are held by the caller."""
        if not self.touched:
            self.sums.fill(0)
        else:
            for place, member in enumerate(self.members):
                if not member.pushes:
                    self.sums[self.starts[place] : self.starts[place + 1]] = 0
        self.clean = True

    def stepped(self, rule: Any, state: Any, mask: Any = None) -> tuple[Any, Any]:
        """What a rule makes of the buffer and the sums; nothing is changed here.

        Args:
            mask: which elements take part; None: all.

        Raises:
            ValueError: a sum is nan or infinite, or the rule gave another shape.
        """
        sums, before = self.sums, self.buffer
        if not self.clean and self.touched != self.count:
            self.settle()
        doubt = self.unfinished(sums)
        if doubt:
            raise self._unfinished(sums, "gradient")
        made, after = rule.step(before, sums, state) if doubt is None or not self.strict else _quietly(rule.step, before, sums, state)
        if after:
            for key, item in after.items():
                if item is sums:
                    after = {**after, key: item.copy()}
        if mask is not None:
            made, after = self._masked(mask, made, after, state)
        if self.bounded:
            made = made.clip(self.low, self.high)
        if made.size != self.starts[-1] or made.ndim != 1 or made.dtype != before.dtype:
            raise ValueError(f"{rule!r} made {made.dtype}{list(made.shape)} of {before.dtype}{list(before.shape)}; a step keeps both")
        if made is sums:
            made = made.copy()
        if self.strict and self.unfinished(made):
            raise self._unfinished(made, "next value")
        made.setflags(False)
        return made, after

    def _masked(self, mask: Any, made: Any, after: Mapping[str, Any], state: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        import numpy

        kept = {}
        for key, item in after.items():
            by_element = getattr(item, "shape", None) == self.buffer.shape and key in state
            kept[key] = numpy.where(mask, item, state[key]) if by_element else item
        return numpy.where(mask, made, self.buffer), kept

    def _unfinished(self, found: Any, what: str) -> ValueError:
        """The error of a number that is nan or infinite, naming its member."""
        import numpy

        bad = numpy.flatnonzero(~numpy.isfinite(found))
        place = int(numpy.searchsorted(self.starts, bad[0], side="right")) - 1
        return ValueError(
            f"the {what} of {self.ids[place]!r:.120} is nan or infinite; nothing was written and the gradients are kept: "
            "find its cause, then reset the gradient or push finite ones"
        )


def held_versions(most: int, size: int) -> int:
    """How many earlier buffers of ``size`` bytes a group keeps: ``most``, of large ones what fits into :data:`MEMORY`, at least two."""
    return min(most, max(2, MEMORY // max(1, size)))


def _quietly(step: Callable[..., Any], *args: Any) -> Any:
    """A step on very large gradients without numpy's warnings: what overflows is refused with an error of its own."""
    import numpy

    with numpy.errstate(over="ignore", invalid="ignore"):
        return step(*args)


def unfinished_in(shape: tuple[int, ...]) -> Callable[[Any], bool | None]:
    """A function that says whether an array of this shape holds nan or infinity: None for no, False for no, but very large numbers.

    The sum of squares says so in one pass: all its terms have one sign, so nothing cancels. Only where it is not
    finite, which large numbers make it too, each element is looked at.
    """
    import numpy

    # unlike dot, vdot does not warn where squares are too large; behind it, without the look for arrays of other libraries
    vdot = getattr(numpy.vdot, "_implementation", numpy.vdot)
    look, finite = numpy.isfinite, numpy.empty(shape, "bool")
    return lambda found: None if isfinite(vdot(found, found)) else not look(found, finite).all()
