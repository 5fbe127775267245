"""Reading: current values, values at a commit, history, differences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paragrad.protocols.space import Space
from paragrad.protocols.store import Entry, ParameterId
from paragrad.stores.backend import Backend, Pointer, Row
from paragrad.stores.ids import encode_id


class Values(Backend):
    """The reading half of a ParameterStore."""

    def commit(self) -> int:
        """The number of the latest commit, 0 for an empty store."""
        return self._head().commit

    def get_parameter_value(self, id: ParameterId, version: int | None = None) -> Any:
        """The current value, or the one that commit ``version`` wrote.

        Raises:
            KeyError: unknown id, or a version the parameter never had.
            Corrupted: the stored bytes do not match their digest.
        """
        name = encode_id(id)
        row = self._row(name) if version is None else self._exactly(name, version)
        if row is None:
            raise self._unknown(name)
        return self._unpack(self._space(row.spec), row)

    def get_entry(self, id: ParameterId, at: int | None = None) -> Entry:
        """The newest version not later than commit ``at`` (None: now), in O(log n) reads.

        Raises:
            KeyError: unknown id, or one that did not exist yet at that commit.
        """
        name = encode_id(id)
        row = self._row(name, at)
        if row is None:
            raise self._unknown(name) if at is None else KeyError(f"{self!r} held no parameter {name!r:.120} at commit {at}")
        return self._entry(row)

    def version(self, id: ParameterId) -> int:
        """The commit that last wrote ``id``; reads no value."""
        return self._pointer(encode_id(id)).version

    def space(self, id: ParameterId) -> Space[Any]:
        """The space of the current version."""
        return self._space(self._pointer(encode_id(id)).spec)

    def versions(self, id: ParameterId) -> int:
        """How many versions ``id`` has had; reads no value."""
        return self._pointer(encode_id(id)).count

    def ids(self, prefix: str = "") -> Sequence[str]:
        """Every id that starts with ``prefix``, sorted, as strings."""
        return sorted(self._ids(prefix))

    def history(self, id: ParameterId) -> Sequence[Entry]:
        """Every version, oldest first."""
        rows = self._rows(encode_id(id))
        if not rows:
            raise self._unknown(id)
        return [self._entry(row) for row in rows]

    def diff(self, id: ParameterId, v1: int, v2: int) -> str:
        """What changed from version ``v1`` to ``v2``, as the space words it; empty when nothing did."""
        name = encode_id(id)
        before, after = self._exactly(name, v1), self._exactly(name, v2)
        space = self._space(after.spec)
        old = self._space(before.spec)
        if old.kind != space.kind:
            return f"{old.kind} → {space.kind}\n- {old.show(self._unpack(old, before))}\n+ {space.show(self._unpack(space, after))}"
        return space.diff(self._unpack(old, before), self._unpack(space, after))

    def _entry(self, row: Row) -> Entry:
        return Entry(row.version, self._unpack(self._space(row.spec), row), row.time, row.note)

    def _pointer(self, name: str) -> Pointer:
        found = self._pointers([name]).get(name)
        if found is None:
            raise self._unknown(name)
        return found

    def _exactly(self, name: str, version: int) -> Row:
        row = self._row(name, version)
        if row is None or row.version != version:
            self._pointer(name)
            near = "none before it" if row is None else f"the one before it is {row.version}"
            raise KeyError(f"parameter {name!r:.120} has no version {version}; {near}; history(id) lists them")
        return row
