"""What most propagators share: nothing is slow, everything passes as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paragrad.protocols.gradient import Tag
from paragrad.trace.operation import PASS


class Base:
    """A propagator that hands its gradient on unchanged; subclasses say what differs.

    Attributes:
        tagged: whether :meth:`deliver` needs to know operation and argument (the item is always told).
    """

    kind = ""
    default: Any = staticmethod(PASS)
    local: Any = None
    tagged = True

    def seed(self, output: Any, feedback: Any) -> Any:
        """The gradient at the output, or None."""
        raise NotImplementedError(f"{type(self).__name__} must say how feedback becomes a gradient: def seed(self, output, feedback)")

    def pull(self, record: Any, gradient: Any) -> Sequence[Any]:
        """The gradient of every operand: by default the same one."""
        return [gradient if wanted else None for wanted in record.wanted]

    def merge(self, gradients: Sequence[Any]) -> Any:
        """One gradient from several, in edge order."""
        if self.local is None:
            raise TypeError(f"{type(self).__name__} must say how gradients merge: a function `local`, or def merge(self, gradients)")
        merged = gradients[0]
        for gradient in gradients[1:]:
            merged = self.local(merged, gradient)
        return merged

    def slow(self, op: Any) -> bool:
        """No pull calls a model."""
        return False

    def outward(self, gradient: Any) -> Any:
        """The gradient as an operation's own rule gets it."""
        return gradient

    def inward(self, gradient: Any, source: Any) -> Any:
        """What an operation's own rule returned."""
        return gradient

    def deliver(self, accumulator: Any, gradient: Any, tag: Tag, stale: bool) -> None:
        """Add a gradient that reached a leaf."""
        raise NotImplementedError(
            f"{type(self).__name__} must say where gradients arrive: def deliver(self, accumulator, gradient, tag, stale)"
        )

    def deliver_all(self, accumulator: Any, gradients: Sequence[Any], tag: Tag, stale: bool) -> None:
        """Add several gradients that reached one leaf, in order; asked only of those that are not ``tagged``."""
        for gradient in gradients:
            self.deliver(accumulator, gradient, tag, stale)


def join(a: tuple[Any, ...], b: tuple[Any, ...]) -> tuple[Any, ...]:
    """Two ropes as one; an element that both share appears once, so text along k operations stays O(k)."""
    if a is b:
        return a
    known = set(map(id, a))
    return a + tuple(x for x in b if id(x) not in known)
