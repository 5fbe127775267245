"""Twins of a torch module: several threads compute at once, where torch has room for one caller's values in a module."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from itertools import chain
from operator import is_
from threading import RLock
from typing import Any

Attributes = tuple[list[Any], list[int]]
Calm = tuple[Attributes, Any]


class Twins:
    """A torch module and copies of its structure, out of sight of the search for Parameters.

    Whoever comes first computes with the module itself. Who comes meanwhile gets a copy, which shares the tensors;
    but only when a call was seen to leave the module's attributes alone, as what a module counts or keeps must not
    get lost in a copy. A module that changes itself, or cannot be copied, is lent to one caller at a time.

    Attributes:
        module: the torch module.
        met: whether two callers met, so that it is worth a look whether the module changes itself.
        calm: its attributes, once a call had left them alone, and the copy that others are copied from: the module itself has
            another caller's values in it when a copy is needed.
        spare: copies that nobody computes with, each with the ``calm`` it was made of.
        copied: whether it can be copied.
    """

    __slots__ = ("calm", "copied", "lock", "met", "module", "spare")

    def __init__(self, module: Any) -> None:
        self.module = module
        self.lock = RLock()
        self.met = False
        self.calm: Calm | None = None
        self.spare: list[tuple[Calm, Any]] = []
        self.copied = True

    def __reduce__(self) -> Any:
        return (Twins, (self.module,))

    def __deepcopy__(self, memo: dict[int, Any]) -> Twins:
        return Twins(deepcopy(self.module, memo))

    @contextmanager
    def lent(self) -> Iterator[Any]:
        """The module, or a twin, that no other thread computes with in this block."""
        if not self.lock.acquire(blocking=False):
            twin = self._twin()
            if twin is not None:
                try:
                    yield twin[1]
                finally:
                    self.spare.append(twin)
                return
            self.lock.acquire()
        try:
            before = _attributes(self.module) if self.met and self.calm is None else None
            yield self.module
            if before is not None:
                self.met = False
                self.calm = self._pattern(before) if _same(before, _attributes(self.module)) else None
        finally:
            self.lock.release()

    def _twin(self) -> tuple[Calm, Any] | None:
        """A copy, or None where the module itself has to be waited for."""
        self.met = self.copied
        calm = self.calm
        if calm is None or not self.copied:
            return None
        if not _same(calm[0], _attributes(self.module)):  # switched to evaluation, a hook more, another part
            self.calm = None
            return None
        while self.spare:
            try:
                twin = self.spare.pop()
            except IndexError:  # another thread took the last one
                break
            if twin[0] is calm:
                return twin
        return calm, _copy(calm[1])

    def _pattern(self, attributes: Attributes) -> Calm | None:
        """The lock is held by the caller."""
        try:
            return attributes, _copy(self.module)
        except Exception:  # noqa: BLE001  # whatever an attribute of the user's raises: then one caller at a time
            self.copied = False
            return None


def _copy(module: Any) -> Any:
    """A copy with the same tensors."""
    return deepcopy(module, {id(tensor): tensor for tensor in chain(module.parameters(), module.buffers())})


def _attributes(module: Any) -> Attributes:
    """Everything the parts of a module hold, and how much is in each container."""
    found = [value for part in module.modules() for value in vars(part).values()]
    return found, [len(value) if isinstance(value, (list, dict, set)) else 0 for value in found]


def _same(one: Attributes, other: Attributes) -> bool:
    return one[1] == other[1] and all(map(is_, one[0], other[0]))
