"""LazyArray: an array that is known by its rule, shape, type and seed, and made when it is read."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any

from paragrad.initializers.base import Initializer
from paragrad.initializers.layout import Layout, cut


class LazyArray:
    """What :func:`~paragrad.initializers.initializer` returns: nothing is allocated until ``materialize``. Never changes; hashable.

    Attributes:
        init: the rule that fills it.
        shape: the shape of what ``materialize`` gives.
        dtype: the element type's name.
        seed: where its draws start; None: drawn from the system when it is made, or fixed by a Parameter's name.
        whole: the shape of the array of which it is a part; ``shape`` where it is all of it.
        layout: which part.
    """

    __slots__ = ("dtype", "init", "layout", "seed", "shape", "whole")
    init: Initializer
    shape: tuple[int, ...]
    dtype: str
    seed: int | None
    whole: tuple[int, ...]
    layout: Layout | Sequence[Layout] | None

    def __init__(self, init: Initializer, whole: tuple[int, ...], dtype: str, seed: int | None = None, layout: Any = None) -> None:
        shape = whole if layout is None else tuple(span.stop - span.start for span in cut(whole, layout))
        layout = tuple(layout) if isinstance(layout, list) else layout
        for name, value in zip(
            ("init", "whole", "dtype", "seed", "layout", "shape"), (init, whole, dtype, seed, layout, shape), strict=True
        ):
            object.__setattr__(self, name, value)

    def materialize(self) -> Any:
        """The array, read-only. The same seed gives the same values, whatever was made before, and a part equals that part of the whole."""
        import numpy

        number = self.init.number()
        if number is not None:  # a part is made without the rest
            made = numpy.full(self.shape, number, self.dtype)
        else:
            made = numpy.empty(self.whole, self.dtype)
            self.init.fill(made, numpy.random.default_rng(self.seed))
            if self.layout is not None:
                made = made[cut(self.whole, self.layout)].copy(order="C")
        made.flags.writeable = False
        return made.view()  # a view of a read-only base cannot be made writeable again

    def fixed(self, key: str | None) -> LazyArray:
        """The same with a seed, if it draws and has none: of ``key``, or a new one from the system."""
        if self.seed is not None or not self.init.draws:
            return self
        return LazyArray(self.init, self.whole, self.dtype, _fresh() if key is None else _seed_of(key), self.layout)

    def part(self, layout: Layout | Sequence[Layout] | None) -> LazyArray:
        """The slice of it that ``layout`` keeps."""
        if self.layout is not None:
            raise ValueError(f"{self!r} is a part already")
        return self if layout is None else LazyArray(self.init, self.whole, self.dtype, self.seed, layout)

    def cast(self, dtype: str) -> LazyArray:
        """The same rule and seed for another element type."""
        self.init.refuse(self.whole, dtype)
        return LazyArray(self.init, self.whole, dtype, self.seed, self.layout)

    @property
    def size(self) -> int:
        """How many elements it has."""
        return math.prod(self.shape)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a LazyArray never changes; make another: initializer(..., {name}=...)")

    def _key(self) -> tuple[Any, ...]:
        return self.init, self.whole, self.dtype, self.seed, self.layout

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, LazyArray) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        seed = f", seed={self.seed}" if self.seed is not None else ""
        part = f", layout={self.layout}" if self.layout is not None else ""
        return f"initializer({self.init!r}, shape={self.whole}, dtype={self.dtype!r}{seed}{part})"

    def __reduce__(self) -> Any:
        return LazyArray, self._key()


def initial(lazy: Any, key: str | None, layout: Any = None) -> Any:
    """What a Parameter called ``key`` starts with: an array, or an object that makes it.

    Of an initializer that is not ours the whole is made and cut.
    """
    if isinstance(lazy, LazyArray):
        return (lazy.fixed(key) if key is not None else lazy).part(layout)
    if layout is None:
        return lazy
    whole = lazy.materialize()
    return whole[cut(tuple(whole.shape), layout)]


def _seed_of(key: str) -> int:
    return int.from_bytes(hashlib.sha256(f"initializer {key}".encode()).digest()[:8], "little")


def _fresh() -> int:
    from secrets import randbits

    return randbits(63)
