"""Gradient accumulators of a store: pushes, leases, and what comes back from the dead.

A push is added exactly once. Taking moves the sums into a lease, atomically; ``publish`` consumes
it in the same commit that writes the values; whatever else happens to it, the sums return. So
sum(applied) + pending = sum(pushed), always.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from paragrad.errors import Conflict, Corrupted, UsageError
from paragrad.protocols.store import ParameterId
from paragrad.stores.accumulate import Accumulator, blank, checked, decode, encode, merged, pushed, total
from paragrad.stores.backend import Change, Moved, Pointer
from paragrad.stores.ids import LEASES, encode_id, gradient_key, lease_key, token_key
from paragrad.stores.leases import Lease, gone, me
from paragrad.stores.sealing import canonical, pack, unpack
from paragrad.stores.values import Values

Documents = Mapping[str, bytes]


class Gradients(Values):
    """The accumulating half of a ParameterStore."""

    def increment_gradient(self, id: ParameterId, delta: Any, scale: float = 1.0, *, token: str | None = None) -> None:
        """Add ``delta * scale``; thread-safe, and safe against other processes where the store is shared.

        Args:
            id: a numeric parameter.
            delta: a number, or an array of the parameter's shape.
            scale: a finite factor.
            token: names this push; a push with the same token adds nothing, so it may be repeated.

        Raises:
            KeyError: unknown id.
            TypeError, ValueError: wrong type or shape, or nan or infinite; nothing was added.
        """
        if isinstance(scale, bool) or not isinstance(scale, int | float):
            raise TypeError(f"scale must be a number, not {type(scale).__name__}; scale=1.0 adds delta itself")
        if token is not None and not isinstance(token, str):
            raise TypeError(f"token must be a text that names this push, not {token!r:.60}; write token='batch 3', say")
        self._push(encode_id(id), delta, float(scale), token)

    def get_gradient(self, id: ParameterId) -> Any:
        """The sum of the pushes that nobody has taken: a float or an array of the parameter's shape."""
        return total(self._pending(encode_id(id)))

    def get_gradient_count(self, id: ParameterId) -> int:
        """How many pushes ``get_gradient`` is the sum of."""
        return self._pending(encode_id(id)).count

    def reset_gradient(self, id: ParameterId) -> None:
        """Forget what was pushed and not taken."""
        self._reset(encode_id(id))

    def take_gradients(self, ids: Sequence[ParameterId]) -> Lease:
        """Move the sums of these ids into a lease, leaving zero; later pushes collect for the next one.

        Raises:
            KeyError: unknown id; nothing was taken.
            TypeError: a parameter without numeric gradient; nothing was taken.
        """
        if isinstance(ids, str):
            raise UsageError(f"take_gradients takes several ids; write take_gradients([{ids!r:.80}])")
        names = {encode_id(id): id for id in ids}
        self.return_lost_leases()
        lease_id, slot, taken = self._take(list(names))
        given = {names[name]: acc for name, acc in taken.items()}
        sums = {id: total(acc) for id, acc in given.items()}
        return Lease(lease_id, self, slot, sums, {id: acc.count for id, acc in given.items()}, self._let_go)

    def return_lost_leases(self) -> int:
        """Return the gradients of leases whose owner is dead or whose time is over; says how many."""
        lost = [(slot, record) for slot, record in self._open_leases().items() if "transaction" not in record and gone(record)]
        for slot, record in lost:
            self._give_back(record["id"], int(slot))
        return len(lost)

    def _push(self, name: str, delta: Any, scale: float, token: str | None) -> None:
        key = gradient_key(name)
        mark = token_key(name, token) if token is not None else None

        def decide(documents: Documents, pointers: Mapping[str, Pointer]) -> Change:
            acc = self._accumulator(name, documents, pointers)
            fitting = checked(name, acc, delta, scale)
            if mark is None:
                return Change({key: encode(pushed(acc, fitting, scale, self.reproducible))})
            if mark in documents:
                return Change()
            return Change({key: encode(pushed(acc, fitting, scale, self.reproducible)), mark: b"1"})

        self._change([key] if mark is None else [key, mark], [name], decide, durable=False)

    def _pending(self, name: str) -> Accumulator:
        self.return_lost_leases()
        key = gradient_key(name)
        return self._accumulator(name, self._documents([key]), self._pointers([name]))

    def _reset(self, name: str) -> None:
        key = gradient_key(name)

        def decide(documents: Documents, pointers: Mapping[str, Pointer]) -> Change:
            acc = self._accumulator(name, documents, pointers)
            return Change({key: encode(Accumulator(acc.shape, acc.dtype))})

        self._change([key], [name], decide, durable=False)

    def _take(self, names: Sequence[str]) -> tuple[str, int, dict[str, Accumulator]]:
        lease_id = uuid4().hex
        while True:
            used = {int(slot) for slot in self._open_leases()}
            slot = next(n for n in range(len(used) + 1) if n not in used)
            try:
                return lease_id, slot, self._take_into(lease_id, slot, names)
            except Moved:
                continue

    # Details of the documents.

    def _let_go(self, lease: Lease) -> None:
        self._give_back(lease.id, lease.slot)

    def _blank(self, name: str, value: Any) -> dict[str, bytes | None]:
        """What a new parameter writes: its empty accumulator, if it is numeric."""
        acc = blank(value)
        return {gradient_key(name): None if acc is None else encode(acc)}

    def _accumulator(self, name: str, documents: Documents, pointers: Mapping[str, Pointer]) -> Accumulator:
        found = documents.get(gradient_key(name))
        if found is not None:
            return decode(found)
        if name not in pointers:
            raise self._unknown(name)
        raise no_gradient(name)

    def _open_leases(self) -> dict[str, Any]:
        return _records(self._documents([LEASES]).get(LEASES))

    def _take_into(self, lease_id: str, slot: int, names: Sequence[str]) -> dict[str, Accumulator]:
        keys = [gradient_key(name) for name in names]

        def decide(documents: Documents, pointers: Mapping[str, Pointer]) -> Change:
            records = _records(documents.get(LEASES))
            if str(slot) in records:
                raise Moved
            taken = {name: self._accumulator(name, documents, pointers) for name in names}
            record = {"id": lease_id, "owner": me(), "expires": time.time() + self.lease_seconds}
            writes: dict[str, bytes | None] = {gradient_key(name): encode(Accumulator(acc.shape, acc.dtype)) for name, acc in taken.items()}
            writes[LEASES] = canonical({**records, str(slot): record}).encode()
            writes[lease_key(slot)] = pack({"names": list(names)}, [encode(acc) for acc in taken.values()])
            return Change(writes, result=taken)

        taken: dict[str, Accumulator] = self._change([LEASES, lease_key(slot), *keys], list(names), decide)
        return taken

    def _give_back(self, lease_id: str, slot: int, transaction: str | None = None) -> None:
        """Return a lease that is still open, or that ``transaction`` held."""
        content = self._documents([lease_key(slot)]).get(lease_key(slot))
        if content is None:
            return
        header, blobs = unpack(content)
        held = {name: decode(blob) for name, blob in zip(header["names"], blobs, strict=True)}

        def decide(documents: Documents, pointers: Mapping[str, Pointer]) -> Change:
            records = _records(documents.get(LEASES))
            record = records.pop(str(slot), None)
            if record is None or record["id"] != lease_id or record.get("transaction") != transaction:
                return Change()
            if documents.get(lease_key(slot)) != content:
                raise Corrupted(f"the gradients of lease {lease_id} are missing from {self!r}")
            writes: dict[str, bytes | None] = {LEASES: canonical(records).encode(), lease_key(slot): None}
            return Change({**writes, **_returned(documents, held, self.reproducible)})

        self._change([LEASES, lease_key(slot), *map(gradient_key, held)], [], decide)


def consumed(lease: Lease, documents: Documents, transaction: str | None = None) -> dict[str, bytes | None]:
    """What consuming ``lease`` writes; with ``transaction`` it is only promised to that one.

    Raises:
        Conflict: it was consumed, released, promised or returned before.
    """
    records = _records(documents.get(LEASES))
    slot = str(lease.slot)
    record = records.get(slot)
    if record is None or record["id"] != lease.id or "transaction" in record:
        raise spent(lease.id)
    if transaction is not None:
        return {LEASES: canonical({**records, slot: {**record, "transaction": transaction}}).encode()}
    del records[slot]
    return {LEASES: canonical(records).encode(), lease_key(lease.slot): None}


def spent(lease_id: str) -> Conflict:
    """The error of a lease that is no longer open."""
    return Conflict(f"lease {lease_id} was consumed, released, or returned after its time; take_gradients again and apply those")


def no_gradient(name: str) -> TypeError:
    """The error of a parameter that is no number or array."""
    return TypeError(f"parameter {name!r:.120} has no numeric gradient; only numbers and arrays have")


def foreign(lease: Any, store: Any) -> UsageError:
    """The error of something that is no lease of this store."""
    what = f"a lease of {lease.store!r}" if isinstance(lease, Lease) else f"a {type(lease).__name__}"
    return UsageError(f"consume= takes a lease of {store!r}, not {what}; write consume=store.take_gradients(ids)")


def _records(found: bytes | None) -> dict[str, Any]:
    return dict(json.loads(found)) if found is not None else {}


def _returned(documents: Documents, held: Mapping[str, Accumulator], exact: bool) -> dict[str, bytes | None]:
    """Accumulators with the lease's sums added; one whose parameter was made anew with another shape starts afresh."""
    writes: dict[str, bytes | None] = {}
    for name, acc in held.items():
        found = documents.get(gradient_key(name))
        now = decode(found) if found is not None else None
        if now is not None and now.shape == acc.shape and acc.count:
            writes[gradient_key(name)] = encode(merged(now, acc, exact))
    return writes
