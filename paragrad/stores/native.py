"""Native stores: those that keep documents and versions in a way of their own.

They write the six methods of ``Backend``; the three primitives of a KeyValueStore follow from them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from paragrad.errors import Conflict
from paragrad.stores.backend import Change, Pointer
from paragrad.stores.keyvalue import KeyValueStore


class Native(KeyValueStore):
    """``read`` and ``write`` from ``_documents`` and ``_change``."""

    def read(self, keys: Sequence[str]) -> dict[str, tuple[bytes, int]]:
        """Payloads of documents; the token is made of the content."""
        return {key: (value, _token(value)) for key, value in self._documents(keys).items()}

    def write(self, values: Mapping[str, bytes], expect: Mapping[str, int]) -> None:
        """Compare-and-set on documents.

        Raises:
            Conflict: one of them is not as expected; nothing was written.
        """

        def decide(documents: Mapping[str, bytes], pointers: Mapping[str, Pointer]) -> Change:
            for key, token in expect.items():
                if (_token(documents[key]) if key in documents else 0) != token:
                    raise Conflict(f"{key!r} was written by another; read it again")
            return Change(values)

        self._change(list(expect), [], decide)


def _token(value: bytes) -> int:
    return int.from_bytes(hashlib.sha256(value).digest()[:7], "big") + 1
