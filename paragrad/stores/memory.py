"""MemoryStore: a ParameterStore in this process's memory; dicts, lists and live accumulators."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from uuid import uuid4

from paragrad.protocols.space import Space
from paragrad.protocols.store import Entry, ParameterId
from paragrad.stores.accumulate import Accumulator, decode, encode
from paragrad.stores.backend import Decide, Pointer, Row
from paragrad.stores.flat_live import FlatLive
from paragrad.stores.flat_rules import FlatRules
from paragrad.stores.gradients import no_gradient
from paragrad.stores.ids import HEAD, gradient_key, state_key
from paragrad.stores.live import Live
from paragrad.stores.native import Native
from paragrad.stores.publish import Draft

_IMMUTABLE = (str, bytes, int, float, type(None))


class MemoryStore(Native):
    """Thread-safe; reads take no lock; gone with the process.

    Args:
        url: ``"memory:"`` makes a store of its own with a key of its own; ``"memory:NAME"`` has that key.
        key: the key in parameter contexts, instead.
        reproducible: gradient sums that do not depend on the order of the pushes.
        stripes: running sums per parameter; more than one lets threads add at the same time, so more than processors are not made.
            An array of 65,536 to 16,777,216 elements has a second one at need, also with 1.
        lease_seconds: after this time gradients that were taken and not consumed return.
    """

    durable = False

    def __init__(
        self, url: str = "memory:", *, key: Any = None, reproducible: bool = False, stripes: int = 1, lease_seconds: float = 600.0
    ) -> None:
        self.key = key if key is not None else url if url not in ("memory:", "memory://") else f"memory:{uuid4().hex[:12]}"
        self.reproducible = reproducible
        self.lease_seconds = lease_seconds
        self._stripes = min(stripes, os.cpu_count() or 1)
        self._stored: dict[str, bytes] = {}
        self._histories: dict[str, list[Row]] = {}
        self._live: dict[str, Live | FlatLive] = {}
        self._flat = FlatRules(self)

    def keys(self, prefix: str) -> list[str]:
        """Document keys."""
        live = map(state_key, self._flat.plans)
        return [key for key in dict.fromkeys([*self._stored, *self._live, *live]) if key.startswith(prefix)]

    def _change(self, keys: Sequence[str], ids: Sequence[str], decide: Decide, durable: bool = True) -> Any:
        with self._lock, self._holding(keys):
            change = decide(self._documents(keys), self._pointers(ids))
            for row in change.rows:
                self._flat.wrote(row)
                self._histories.setdefault(row.id, []).append(row)
            for key, payload in change.documents.items():  # the head is last, so a reader at the new commit finds every row
                self._store(key, payload)
            return change.result

    def _documents(self, keys: Sequence[str]) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for key in keys:
            live = self._live.get(key)
            if live is not None:
                with live.held():
                    found[key] = encode(live.snapshot())
            elif key.startswith("s/") and (state := self._flat.document(key)) is not None:
                found[key] = state
            elif key in self._stored:
                found[key] = self._stored[key]
        return found

    def _pointers(self, ids: Sequence[str]) -> dict[str, Pointer]:
        return {id: self._flat.pointer(id) or self._histories[id][-1].pointer() for id in ids if id in self._histories}

    def _row(self, id: str, at: int | None = None) -> Row | None:
        rows = self._histories.get(id)
        if rows is None:
            return None
        found: Row | None = rows[-1]
        if at is not None and rows[-1].version > at:
            place = bisect_right(rows, at, key=lambda row: row.version)
            found = rows[place - 1] if place else None
        step = self._flat.newest(id, at)
        if step is not None and (found is None or step.version > found.version):
            found = step
        self._flat.refuse_dropped(id, at, found)
        return found

    def _rows(self, id: str) -> list[Row]:
        rows = {row.version: row for row in [*self._flat.rows(id), *self._histories.get(id, ())]}
        return [rows[version] for version in sorted(rows)]

    def apply_rule(self, conf: Any, ids: Sequence[str], state_name: str) -> Any:
        """One step of an update rule over ids, as one operation on all of them.

        Gradients are taken, values and state written, under the locks of the accumulators: nothing is lost between.
        The last 32 steps stay readable; a release keeps what it holds.

        Returns:
            The commit; NotImplemented where the rule, the store's options or a parameter ask for the general way
            (``take_gradients``, ``publish``).

        Raises:
            ValueError: a gradient is nan or infinite; nothing was changed.
        """
        with self._lock:
            return self._flat.apply(conf, ids, state_name)

    def commit(self) -> int:
        """The number of the latest commit, 0 for an empty store."""
        head, flat = self._stored.get(HEAD), self._flat.head
        if head is not flat[0]:
            return super().commit()
        return flat[1]

    def get_entry(self, id: ParameterId, at: int | None = None) -> Entry:
        """See ``Values.get_entry``; what the last step wrote is read at once."""
        found = self._flat.entry(id, at) if isinstance(id, str) else None
        return found if found is not None else super().get_entry(id, at)

    def newest_values(self, ids: Sequence[str], at: int) -> tuple[int, list[Any]] | None:
        """Version and values of ids whose newest versions one step wrote, not later than commit ``at``; None: ask for each."""
        return self._flat.together(ids, at)

    def release(self, name: str, ids: Sequence[ParameterId] | None = None, note: str | None = None) -> str:
        """See ``Releases.release``; no step comes between reading the versions and holding them."""
        with self._lock:
            return super().release(name, ids, note)

    def _ids(self, prefix: str) -> list[str]:
        return [id for id in list(self._histories) if id.startswith(prefix)]

    def _pack(self, space: Space[Any], value: Any) -> Any:
        return value

    def _unpack(self, space: Space[Any], row: Row) -> Any:
        """The value itself where it cannot change, else a fresh copy."""
        value = row.data
        if isinstance(value, _IMMUTABLE) or getattr(getattr(value, "flags", None), "writeable", True) is False:
            return value
        return space.check(value)

    def _staged_bytes(self, draft: Draft) -> bytes:
        return self._space(draft.spec).encode(draft.data)

    def _from_staged(self, spec: str, data: bytes) -> Any:
        return self._space(spec).decode(data)

    def _push(self, name: str, delta: Any, scale: float, token: str | None) -> None:
        while not self._found(name).push(name, delta, scale, token):
            pass  # the parameter has just joined or left a flat group: look again

    def _pending(self, name: str) -> Accumulator:
        self.return_lost_leases()
        live = self._found(name)
        with live.held():
            return live.snapshot()

    def _found(self, name: str) -> Live | FlatLive:
        live = self._live.get(gradient_key(name))
        if live is None:
            raise no_gradient(name) if name in self._histories else self._unknown(name)
        return live

    @contextmanager
    def _holding(self, keys: Sequence[str] | Mapping[str, Any]) -> Iterator[None]:
        """Keep pushes out of the accumulators among ``keys``."""
        with ExitStack() as locks:
            for key in sorted(key for key in keys if key in self._live):
                locks.enter_context(self._live[key].held())
            yield

    def _store(self, key: str, payload: bytes | None) -> None:
        if key.startswith("g/"):
            self._store_gradient(key, None if payload is None else decode(payload))
        elif payload is None:
            self._stored.pop(key, None)
        else:
            self._stored[key] = payload
            if key.startswith("s/"):
                self._flat.stored(key)
            elif key.startswith("r/"):
                self._flat.hold(payload)

    def _store_gradient(self, key: str, acc: Accumulator | None) -> None:
        live = self._live.get(key)
        if acc is None:
            self._live.pop(key, None)
        elif live is not None and (live.template.shape, live.template.dtype) == (acc.shape, acc.dtype):
            live.load(acc)
        else:
            self._live[key] = Live(acc, self._stripes, self.reproducible)
