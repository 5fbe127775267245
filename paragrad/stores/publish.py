"""Writing: every change of values is one commit, all or nothing, by compare-and-set."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from paragrad.errors import Conflict, UsageError
from paragrad.protocols.space import Space
from paragrad.protocols.store import ParameterId
from paragrad.stores.backend import Change, Head, Moved, Pointer, Row, lost_race
from paragrad.stores.gradients import Documents, Gradients, consumed, foreign
from paragrad.stores.ids import HEAD, LEASES, encode_id, lease_key, state_key
from paragrad.stores.inference import space_of
from paragrad.stores.leases import Lease
from paragrad.stores.sealing import canonical
from paragrad.stores.states import decode_state, encode_state


@dataclass(frozen=True, slots=True)
class Draft:
    """One value that was checked and is ready to be written."""

    spec: str
    data: Any
    shape: tuple[int, ...]
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """One commit that was checked against the spaces, not yet against other writers."""

    drafts: Mapping[str, Draft] = field(default_factory=dict)
    expect: Mapping[str, int] = field(default_factory=dict)
    documents: Mapping[str, bytes | None] = field(default_factory=dict)
    lease: Lease | None = None
    fresh: bool = False

    def ids(self) -> list[str]:
        """Ids that are written or expected."""
        return list({**self.drafts, **self.expect})


class Held(Exception):
    """A transaction over several stores holds some of the ids. Never leaves this package."""


class Publishing(Gradients):
    """The writing half of a ParameterStore."""

    def init_parameter(self, id: ParameterId, value: Any, space: Space[Any] | None = None, *, expect: int | None = None) -> int:
        """Make a parameter, or start an existing one anew (also with another space): its gradient is zero.

        Args:
            id: a string, or a pair (function, name).
            value: the first value.
            space: where values live; None: the space that a Parameter of this value has.
            expect: the version that must be the current one; 0: there must be none, so of several that begin one wins.

        Returns:
            The version: the commit that wrote it. An earlier history stays readable.

        Raises:
            Conflict: the current version is another than expected; nothing was written.
        """
        name = encode_id(id)
        space = space_of(value) if space is None else space
        kept = space.check(value)
        draft = Draft(canonical(space.spec()), self._pack(space, kept), _shape(kept))
        expected = {} if expect is None else {name: expect}
        return self._commit(lambda: Plan({name: draft}, expected, documents=self._blank(name, kept), fresh=True))

    def set_parameter_value(self, id: ParameterId, value: Any, expect: int | None = None, *, note: str | None = None) -> int:
        """Write a new version.

        Args:
            id: an existing parameter.
            value: what its space accepts.
            expect: the version that must be the current one; None overwrites whatever is there.
            note: words for the history.

        Raises:
            KeyError: unknown id.
            TypeError, ValueError: the space refuses the value.
            Conflict: the current version is another; nothing was written.
        """
        return self.publish({id: value}, None if expect is None else {id: expect}, note=note)

    def publish(
        self,
        values: Mapping[ParameterId, Any],
        expect: Mapping[ParameterId, int] | None = None,
        state: Mapping[str, Any] | None = None,
        consume: Any = None,
        *,
        note: str | None = None,
    ) -> int:
        """Write several values in one commit: all of them, or none.

        Args:
            values: id to value.
            expect: id to the version that must be current; also ids that are not written.
            state: name to an optimizer's state (plain data and arrays), read back with ``state(name)``.
            consume: the lease whose gradients these values contain.
            note: words for the history.

        Returns:
            The commit: the version of every value written.

        Raises:
            KeyError: unknown id.
            TypeError, ValueError: a space refuses a value, or a state is not plain data.
            Conflict: a version is another than expected, or the lease was already consumed or returned.
        """
        return self._commit(lambda: self._plan(values, expect, state, consume, note))

    def rollback(self, id: ParameterId, version: int) -> int:
        """Write the value of an old version as a new one; returns the new version."""
        name = encode_id(id)

        def plan() -> Plan:
            row = self._exactly(name, version)
            value = self._unpack(self._space(row.spec), row)
            draft = Draft(row.spec, row.data, _shape(value), f"rollback to {version}")
            now = self._pointer(name)
            same = row.spec == now.spec and draft.shape == now.shape
            return Plan({name: draft}, documents={} if same else self._blank(name, value), fresh=True)

        return self._commit(plan)

    def state(self, name: str) -> Any:
        """The state that the latest ``publish(state={name: ...})`` wrote, or None."""
        found = self._documents([state_key(name)]).get(state_key(name))
        return None if found is None else decode_state(found)

    def _draft(self, spec: str, value: Any, note: str | None) -> Draft:
        space = self._space(spec)
        kept = space.check(value)
        return Draft(spec, self._pack(space, kept), _shape(kept), note)

    def _specs_of(self, names: list[str]) -> dict[str, str]:
        """The specs of ids, remembered from before where possible: ``_refuse`` finds a space that changed."""
        missing = [name for name in names if name not in self._specs]
        found = self._pointers(missing) if missing else {}
        for name in missing:
            if name not in found:
                raise self._unknown(name)
            self._specs[name] = found[name].spec
        return {name: self._specs[name] for name in names}

    def _plan(
        self,
        values: Mapping[ParameterId, Any],
        expect: Mapping[ParameterId, int] | None,
        state: Mapping[str, Any] | None,
        consume: Any,
        note: str | None,
    ) -> Plan:
        named = {encode_id(id): value for id, value in values.items()}
        if len(named) != len(values):
            raise UsageError("two of the ids are the same parameter; give each once")
        if consume is not None and not (isinstance(consume, Lease) and consume.store.key == self.key):
            raise foreign(consume, self)
        specs = self._specs_of(list(named))
        drafts = {name: self._draft(specs[name], value, note) for name, value in named.items()}
        documents = {state_key(key): encode_state(key, value) for key, value in (state or {}).items()}
        return Plan(drafts, {encode_id(id): version for id, version in (expect or {}).items()}, documents, consume)

    def _commit(self, plan: Any) -> int:
        """Plan and write; plan again when a space changed meanwhile, wait while a transaction holds an id."""
        deadline = time.monotonic() + self.retry_seconds
        while True:
            try:
                return self._write_plan(plan())
            except Moved:
                self._specs.clear()
            except Held as held:
                self._settle()
                if time.monotonic() > deadline:
                    raise Conflict(f"{self!r}: a transaction over several stores holds {held}; try again when it is over") from None
                time.sleep(random.uniform(0.001, 0.02))

    def _write_plan(self, plan: Plan) -> int:
        lease_keys = [LEASES, lease_key(plan.lease.slot)] if plan.lease is not None else []

        def decide(documents: Documents, pointers: Mapping[str, Pointer]) -> Change:
            head = Head.decode(documents.get(HEAD))
            self._refuse(plan, head, pointers)
            writes = dict(plan.documents)
            if plan.lease is not None:
                writes.update(consumed(plan.lease, documents))
            return committed(head, plan.drafts, pointers, writes)

        commit: int = self._change([HEAD, *lease_keys, *plan.documents], plan.ids(), decide)
        return commit

    def _refuse(self, plan: Plan, head: Head, pointers: Mapping[str, Pointer]) -> None:
        """Raise what forbids this plan now.

        Raises:
            Held, Moved, KeyError, ValueError, Conflict: see ``publish``.
        """
        for record in head.staged.values():
            held = plan.drafts.keys() & set(record["ids"])
            if held:
                raise Held(", ".join(sorted(held)))
        for name, want in plan.expect.items():
            have = pointers[name].version if name in pointers else 0
            if have != want:
                raise self._unknown(name) if want and not have else lost_race(name, have, want)
        if plan.fresh:
            return
        for name, draft in plan.drafts.items():
            if name not in pointers:
                raise self._unknown(name)
            if pointers[name].spec != draft.spec:
                raise Moved
            shape = pointers[name].shape
            if shape != draft.shape:
                raise ValueError(f"{name!r} has shape {shape}, the new value {draft.shape}; init_parameter starts it with another shape")

    def _settle(self) -> int:
        """Finish or undo transactions in doubt; see ``staging``."""
        return 0


def committed(head: Head, drafts: Mapping[str, Draft], pointers: Mapping[str, Pointer], writes: Mapping[str, bytes | None]) -> Change:
    """The change that writes ``drafts`` and ``writes`` as the next commit."""
    commit = head.commit + 1
    now = time.time()
    rows = []
    for name, draft in drafts.items():
        ordinal = pointers[name].count if name in pointers else 0
        rows.append(Row(name, commit, ordinal, now, draft.note, draft.spec, draft.data, draft.shape))
    made = sum(name not in pointers for name in drafts)
    after = Head(commit, head.parameters + made, head.staged)
    return Change({**writes, HEAD: after.encode()}, rows, commit)


def _shape(value: Any) -> tuple[int, ...]:
    """An array's shape; empty for everything else."""
    return tuple(getattr(value, "shape", ()))
