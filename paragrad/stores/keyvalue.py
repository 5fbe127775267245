"""KeyValueStore: the whole ParameterStore from three primitives on bytes.

A plug-in writes ``read``, ``write`` and ``keys`` and inherits the rest. How things lie there:

    head                    commits, number of parameters, transactions in doubt
    p/ID                    pointer to the newest version of a parameter
    v/ID/N                  its N-th version: space, time, note, value; never written again
    g/ID  t/ID/TOKEN        its gradient accumulator; pushes that arrived
    leases  l/N             gradients on their way; releases  r/NAME/N; s/NAME optimizer state
    x/T  d/T                parts and decisions of transactions over several stores

Every value carries a SHA-256 over its key and content. Keys consist of letters, digits and ``_-.~/``.
A commit writes the head with compare-and-set, so commits are ordered; a version at a commit is found
by bisection over N, in O(log n) reads.
"""

from __future__ import annotations

import random
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from paragrad.errors import Conflict, Corrupted
from paragrad.stores.backend import Change, Decide, Pointer, Row
from paragrad.stores.ids import parameter_key, segment, unsegment, version_key
from paragrad.stores.layout import pointer_bytes, pointer_from, row_bytes, row_from
from paragrad.stores.releases import Releases
from paragrad.stores.sealing import seal, unseal
from paragrad.stores.staging import Staging

Found = Mapping[str, tuple[bytes, int]]


class KeyValueStore(Staging, Releases):
    """Derive from it and write the three primitives; ``paragrad.testing.check_store`` checks the result.

    The constructor takes the URL. It need not call ``super().__init__()``.
    """

    @abstractmethod
    def read(self, keys: Sequence[str]) -> dict[str, tuple[bytes, int]]:
        """Bytes and token of the keys that exist. A token changes with every write of its key and is never 0."""

    @abstractmethod
    def write(self, values: Mapping[str, bytes], expect: Mapping[str, int]) -> None:
        """Write all of ``values``, if every key of ``expect`` still has that token (0: does not exist); else nothing.

        The library always names the same keys in both.

        Raises:
            Conflict: a token differs.
        """

    @abstractmethod
    def keys(self, prefix: str) -> list[str]:
        """The keys that start with ``prefix``, in any order."""

    def close(self) -> None:
        """Let go of connections; a closed store is not used again."""

    # The six methods of Backend, from the primitives.

    def _change(self, keys: Sequence[str], ids: Sequence[str], decide: Decide, durable: bool = True) -> Any:
        pointer_keys = {parameter_key(id): id for id in ids}
        names = list({**dict.fromkeys(keys), **pointer_keys})
        deadline = time.monotonic() + self.retry_seconds
        pause = 0.001
        while True:
            with self._lock:
                found = self.read(names)
                documents = _payloads(found)
                pointers = {id: pointer_from(documents.pop(key)) for key, id in pointer_keys.items() if key in documents}
                change = decide({key: documents[key] for key in keys if key in documents}, pointers)
                if self._written(change, found):
                    return change.result
            if time.monotonic() > deadline:
                raise Conflict(f"{self!r} is written by others all the time; nothing was changed in {self.retry_seconds:.0f} s; try again")
            time.sleep(random.uniform(0, pause))
            pause = min(pause * 2, 0.1)

    def _written(self, change: Change, found: Found) -> bool:
        """Whether the change got through; False when another writer was faster."""
        payloads = {key: payload or b"" for key, payload in change.documents.items() if payload is not None or key in found}
        for row in change.rows:
            payloads[version_key(row.id, row.ordinal)] = row_bytes(row)
            payloads[parameter_key(row.id)] = pointer_bytes(row.pointer())
        if not payloads:
            return True
        values = {key: seal(key, payload) for key, payload in payloads.items()}
        try:
            self.write(values, {key: found[key][1] if key in found else 0 for key in values})
        except Conflict:
            return False
        except OSError as error:
            if getattr(error, "code", None) == 409:  # urllib raises a lost race before the primitive sees its status
                return False
            raise
        return True

    def _documents(self, keys: Sequence[str]) -> dict[str, bytes]:
        return _payloads(self.read(keys))

    def _pointers(self, ids: Sequence[str]) -> dict[str, Pointer]:
        names = {parameter_key(id): id for id in ids}
        return {names[key]: pointer_from(payload) for key, payload in self._documents(list(names)).items()}

    def _row(self, id: str, at: int | None = None) -> Row | None:
        pointer = self._pointers([id]).get(id)
        if pointer is None:
            return None
        if at is None or pointer.version <= at:
            row = self._nth(id, pointer.count - 1)
            if row.version != pointer.version:
                raise Corrupted(f"{self!r}: the newest version of {id!r} is {row.version}, but its pointer says {pointer.version}")
            return row
        low, high, best = 0, pointer.count - 1, None
        while low < high:
            middle = (low + high) // 2
            row = self._nth(id, middle)
            if row.version <= at:
                low, best = middle + 1, row
            else:
                high = middle
        return best

    def _rows(self, id: str) -> list[Row]:
        pointer = self._pointers([id]).get(id)
        return [] if pointer is None else [self._nth(id, n) for n in range(pointer.count)]

    def _ids(self, prefix: str) -> list[str]:
        count = self._head().parameters
        if count == 0:
            return []
        found = [unsegment(key.partition("/")[2]) for key in self._keys(f"p/{segment(prefix)}")]
        if not prefix and len(found) < count:
            raise Corrupted(f"{self!r} has lost parameters: {len(found)} of {count} are there; restore it from a backup")
        return found

    def _keys(self, prefix: str) -> list[str]:
        try:
            return self.keys(prefix)
        except OSError as error:
            if getattr(error, "code", None) == 404:  # how an HTTP store says that there are none
                return []
            raise

    def _nth(self, id: str, ordinal: int) -> Row:
        key = version_key(id, ordinal)
        payload = self._documents([key]).get(key)
        if payload is None:
            raise Corrupted(f"version number {ordinal} of {id!r} is missing from {self!r}; restore it from a backup")
        return row_from(id, ordinal, payload)


def _payloads(found: Found) -> dict[str, bytes]:
    """Verified payloads; an empty one is a key that was forgotten."""
    opened = ((key, unseal(key, stored)) for key, (stored, _) in found.items())
    return {key: payload for key, payload in opened if payload}
