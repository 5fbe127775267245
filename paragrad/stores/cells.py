"""Cells in stores: a Parameter whose value lives in a store."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from weakref import WeakValueDictionary

from paragrad.errors import Conflict, UsageError
from paragrad.protocols.store import Entry
from paragrad.stores.opening import open as open_store
from paragrad.stores.publish import Publishing
from paragrad.stores.transactions import Publication, publish_all


class StoreCell:
    """One id of one store, as a Parameter reads and writes it.

    Attributes:
        store: where the value lives. ``id``: under which name.
    """

    __slots__ = ("id", "store")

    def __init__(self, store: Any, id: str) -> None:
        self.store = store
        self.id = id

    @property
    def key(self) -> Any:
        """The store's key."""
        return self.store.key

    def commit(self) -> int:
        """The store's latest commit."""
        return int(self.store.commit())

    def current(self) -> tuple[Any, int]:
        """Value and version now."""
        entry = self.store.get_entry(self.id)
        return entry.value, entry.version

    def at(self, commit: int) -> tuple[Any, int]:
        """Value and version as of a commit."""
        entry = self.store.get_entry(self.id, commit)
        return entry.value, entry.version

    def first(self) -> tuple[Any, int]:
        """Value and version at the beginning."""
        entry = self.store.history(self.id)[0]
        return entry.value, entry.version

    def write(self, value: Any, expect: int | None = None) -> int:
        """Write a new version; returns it."""
        return int(self.store.set_parameter_value(self.id, value, expect))

    def history(self) -> Sequence[Entry]:
        """Versions, oldest first."""
        found: Sequence[Entry] = self.store.history(self.id)
        return found

    def publish(self, changes: Sequence[tuple[StoreCell, Any, int]]) -> None:
        """Write several cells, over any number of stores, all or none.

        Raises:
            Conflict: a cell is no longer at its base version; nothing was written.
        """
        others = [cell for cell, _, _ in changes if not isinstance(cell, StoreCell)]
        if others:
            others[0].publish(changes)
            return
        parts: dict[int, Publication] = {}
        for cell, value, base in changes:
            part = parts.setdefault(id(cell.store), Publication(cell.store, {}, {}))
            part.values[cell.id] = value  # type: ignore[index]
            part.expect[cell.id] = base  # type: ignore[index]
        if len(parts) == 1:  # any store can do that
            (part,) = parts.values()
            part.store.publish(part.values, part.expect)
        else:
            publish_all(parts.values())


def open_cell(store: Any, parameter: Any, value: Any, space: Any) -> StoreCell:
    """The cell of a Parameter in a store; a new id starts with ``value``, a known one keeps the store's.

    Args:
        store: a store or its URL.

    Raises:
        UsageError: another living Parameter owns the id.
    """
    found = open_store(store) if isinstance(store, str) else store
    owners: WeakValueDictionary[str, Any] = found.__dict__.setdefault("_owners", WeakValueDictionary())
    owner = owners.setdefault(parameter.id, parameter)
    if owner is not parameter:
        raise UsageError(
            f"{parameter.id!r} in {found!r} is owned by another Parameter already; share that one, or give this one another name="
        )
    ensure(found, parameter.id, value, space)
    return StoreCell(found, parameter.id)


def ensure(store: Any, id: str, value: Any, space: Any) -> None:
    """Initialise an id that the store does not have; of several processes that do so at once, one does."""
    try:
        store.get_entry(id)
    except KeyError:
        if not isinstance(store, Publishing):
            store.init_parameter(id, value, space)
            return
        with suppress(Conflict):
            store.init_parameter(id, value, space, expect=0)
