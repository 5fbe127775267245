"""Deferred beginnings: a Parameter of an initializer allocates nothing until it is read, and one of an array no cell."""

from __future__ import annotations

from threading import RLock
from typing import Any, Self

from paragrad import registry
from paragrad.trace.cell import Cell
from paragrad.trace.described import Meta, checked_flag
from paragrad.trace.nodes import Version

MAKING = RLock()
"""Held while a first value is made. One for all: making is short, and an initializer may read another Parameter."""


def is_lazy(value: Any) -> bool:
    """Whether a value is an initializer, which makes its array when asked."""
    return hasattr(value.__class__, "materialize")


def fitting(lazy: Any, space: Any) -> Any:
    """An initializer for a space, which refuses it now rather than when it is read."""
    shape, dtype = space.form(lazy)
    return space.fitted(lazy, (shape if space.shape is None else space.shape, space.dtype or dtype))[0]


class Deferred:
    """A Parameter's first value, made once by whoever reads it first."""

    __slots__ = ()

    _meta: Meta
    _cell: Cell
    _leaf: Version | None
    _version: Any

    def __getattr__(self, name: str) -> Any:
        """The cell and the first version of an array, made by whoever asks first: a program may hold thousands."""
        if name not in ("_cell", "_leaf"):
            return super().__getattr__(name)  # type: ignore[misc]
        with MAKING:
            try:
                return object.__getattribute__(self, name)  # another thread was faster
            except AttributeError:
                me: Any = self  # the slots are Parameter's
                meta, cell = self._meta, Cell(self, 1)
                me._leaf = self._version(meta.start, 1, cell) if meta.pending is None else None
                me._cell = cell
                meta.start = None
                return object.__getattribute__(self, name)

    @property
    def inited_param(self) -> Self | None:
        """The Parameter that holds the array made for its initializer, which is itself; None before, or without an initializer."""
        return self if self._meta.inited else None

    def init_data(self, layout: Any = None, set_sliced: bool = False) -> Self:
        """Make the array of a pending initializer, once; without one nothing happens. Safe from several threads.

        Args:
            layout: a :class:`~paragrad.initializers.Layout` (or several): the slice that this process keeps.
            set_sliced: mark the Parameter as ``sliced``; a layout that cuts does so too.

        Raises:
            ValueError: the array was made already for another layout.
        """
        checked_flag("set_sliced", set_sliced)
        with MAKING:
            meta = self._meta
            if meta.pending is not None:
                whole = tuple(meta.pending.shape)
                made = self._first(layout)
                if set_sliced or tuple(made.value.shape) != whole:
                    meta.sliced = True
            elif layout is not None and meta.inited and layout != meta.layout:
                raise ValueError(f"the array was made already for layout={meta.layout}; call init_data(layout) before the first read")
        return self

    def _defer(self, lazy: Any) -> None:
        """Keep an initializer in the place of a value."""
        self._meta.pending, self._meta.inited, self._meta.layout = lazy, False, None
        me: Any = self
        me._leaf = None  # last, so that a reader finds the old value or the initializer

    def _first(self, layout: Any = None) -> Version:
        """The first version, made from the pending initializer; the version number says nothing of when."""
        with MAKING:
            me: Any = self
            meta = self._meta
            if self._leaf is not None:
                return self._leaf
            first = registry.facets.get("initial")(meta.pending, meta.name or meta.path, layout)
            if layout is not None:
                meta.space = meta.space.fitted(first, meta.space.form(meta.pending), True)[1]
            leaf: Version = self._version(meta.space.check(first), self._cell.current)
            me._leaf = leaf
            meta.pending, meta.inited, meta.layout = None, True, layout
            return leaf
