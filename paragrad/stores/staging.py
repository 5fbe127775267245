"""One store's part in a transaction over several: stage, decide, finish, and recover.

Staging writes the checked values aside and holds their ids, in one atomic change of the head, so a
later commit of them cannot fail. One store, the coordinator, keeps the decision. Whoever finds a
staged transaction whose owner is gone asks the coordinator how it ended, or decides that it never
happened, and finishes it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from paragrad.errors import Conflict, Corrupted, StoreError, UsageError
from paragrad.stores.backend import Change, Head, Moved, Pointer
from paragrad.stores.gradients import Documents, consumed
from paragrad.stores.ids import HEAD, LEASES, decision_key, lease_key, staged_key
from paragrad.stores.leases import gone, me
from paragrad.stores.publish import Draft, Held, Plan, Publishing, committed
from paragrad.stores.sealing import canonical, pack, unpack

COMMIT = "commit"
ABORT = "abort"
FORGET = "forget"


class Staging(Publishing):
    """What ``transactions.publish_all`` asks of each store.

    Attributes:
        durable: whether what is written outlives the process; a coordinator should.
    """

    durable: bool = True
    stage_seconds: float = 60.0
    _coordinators: dict[str, Staging]

    def __new__(cls, *args: Any, **options: Any) -> Any:
        """See ``Backend``."""
        store = super().__new__(cls, *args, **options)
        store._coordinators = {}
        return store

    def recover(self) -> int:
        """Finish or undo transactions whose owner is gone, and return lost gradients; says how many of both."""
        return self._settle() + self.return_lost_leases()

    def _address(self) -> str:
        """A URL that opens this store from any folder; without password."""
        return str(self.key)

    def _stage(self, transaction: str, plan: Plan, coordinator: Staging) -> None:
        """Hold the ids of ``plan`` and keep its values aside.

        Raises:
            Conflict, KeyError, ValueError, Held, Moved: as a commit would; nothing was written.
        """
        drafts = [[name, draft.spec, draft.shape, draft.note] for name, draft in plan.drafts.items()]
        writes = {key: value for key, value in plan.documents.items() if value is not None}
        lease = None if plan.lease is None else [plan.lease.id, plan.lease.slot]
        blobs = [*(self._staged_bytes(draft) for draft in plan.drafts.values()), *writes.values()]
        content = pack({"drafts": drafts, "writes": list(writes), "lease": lease}, blobs)
        record = {"ids": list(plan.drafts), "at": coordinator._address(), "owner": me(), "expires": time.time() + self.stage_seconds}

        def decide(documents: Documents, pointers: Mapping[str, Pointer]) -> Change:
            head = Head.decode(documents.get(HEAD))
            self._refuse(plan, head, pointers)
            promised = consumed(plan.lease, documents, transaction) if plan.lease is not None else {}
            after = Head(head.commit, head.parameters, {**head.staged, transaction: record})
            return Change({**promised, HEAD: after.encode(), staged_key(transaction): content})

        self._coordinators[transaction] = coordinator
        leases = [LEASES] if plan.lease is not None else []
        self._change([HEAD, staged_key(transaction), *leases], plan.ids(), decide)

    def _decide(self, transaction: str, verdict: str) -> str:
        """Record the end of a transaction, unless it is recorded already; returns what holds. FORGET drops it."""
        key = decision_key(transaction)

        def decide(documents: Documents, pointers: Mapping[str, Pointer]) -> Change:
            if verdict == FORGET:
                return Change({key: None}, result=FORGET)
            if key in documents:
                return Change(result=documents[key].decode())
            return Change({key: verdict.encode()}, result=verdict)

        return str(self._change([key], [], decide))

    def _finish(self, transaction: str, commit: bool) -> int:
        """Write what was staged, or drop it; returns the commit (0: it was finished before, or dropped)."""
        key = staged_key(transaction)
        content = self._documents([key]).get(key)
        if content is None:
            self._coordinators.pop(transaction, None)
            return 0
        header, blobs = unpack(content)
        drafts = {
            name: Draft(spec, self._from_staged(spec, blob), tuple(shape), note)
            for (name, spec, shape, note), blob in zip(header["drafts"], blobs, strict=False)
        }
        writes: dict[str, bytes | None] = dict(zip(header["writes"], blobs[len(drafts) :], strict=True))
        if header["lease"] is not None and not commit:
            lease_id, slot = header["lease"]
            self._give_back(lease_id, slot, transaction)

        def decide(documents: Documents, pointers: Mapping[str, Pointer]) -> Change:
            head = Head.decode(documents.get(HEAD))
            if transaction not in head.staged:
                return Change(result=0)
            others = {name: record for name, record in head.staged.items() if name != transaction}
            cleared = Head(head.commit, head.parameters, others)
            if not commit:
                return Change({HEAD: cleared.encode(), key: None}, result=0)
            return committed(cleared, drafts, pointers, {**writes, **_without(header["lease"], documents), key: None})

        leases = [LEASES, lease_key(header["lease"][1])] if header["lease"] else []
        commit_made = int(self._change([HEAD, key, *leases, *writes], list(drafts), decide))
        self._coordinators.pop(transaction, None)  # not before: who fails here asks it again
        return commit_made

    def _settle(self) -> int:
        settled = 0
        for transaction, record in self._head().staged.items():
            settled += self._settle_one(transaction, record)
        return settled

    def _settle_one(self, transaction: str, record: Mapping[str, Any]) -> int:
        key = decision_key(transaction)
        coordinator = self._coordinator(transaction, record)
        found = coordinator._documents([key]).get(key)
        if found is None and not gone(record):
            return 0
        verdict = found.decode() if found is not None else coordinator._decide(transaction, ABORT)
        self._finish(transaction, verdict == COMMIT)
        return 1

    def _coordinator(self, transaction: str, record: Mapping[str, Any]) -> Staging:
        known = self._coordinators.get(transaction)
        if known is not None or record["at"] == self._address():
            return known or self
        from paragrad.stores.opening import open as open_store

        try:
            found: Staging = open_store(record["at"])
        except (StoreError, UsageError) as error:
            place = record["at"]
            raise StoreError(f"{self!r}: transaction {transaction} waits; its coordinator {place} cannot be opened: {error}") from error
        return found

    def _staged_bytes(self, draft: Draft) -> bytes:
        return bytes(draft.data)

    def _from_staged(self, spec: str, data: bytes) -> Any:
        return data


def _without(lease: Any, documents: Documents) -> dict[str, bytes | None]:
    """What consuming a promised lease writes."""
    if lease is None:
        return {}
    records = json.loads(documents.get(LEASES, b"{}"))
    if records.pop(str(lease[1]), {}).get("id") != lease[0]:
        raise Corrupted(f"the lease {lease[0]} that a transaction was promised is missing")
    return {LEASES: canonical(records).encode(), lease_key(lease[1]): None}


def stage_when_free(store: Staging, transaction: str, plan: Any, coordinator: Staging) -> None:
    """Stage, planning again when a space changed, waiting while another transaction holds an id."""
    deadline = time.monotonic() + store.retry_seconds
    while True:
        try:
            store._stage(transaction, plan(), coordinator)
            return
        except Moved:
            store._specs.clear()
        except Held as held:
            store._settle()
            if time.monotonic() > deadline:
                raise Conflict(f"{store!r}: a transaction over several stores holds {held}; try again when it is over") from None
            time.sleep(0.005)
