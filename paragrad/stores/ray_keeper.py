"""What runs in the Ray actor: the one that opens the store behind, and changes it for everybody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from paragrad.errors import UsageError
from paragrad.registry import facets
from paragrad.stores.accumulate import checked, encode, pushed
from paragrad.stores.backend import Change, Pointer, Row
from paragrad.stores.ids import gradient_key, token_key
from paragrad.stores.memory import MemoryStore
from paragrad.stores.opening import open as open_store


class Keeper:
    """A parameter server in front of a store. All it knows is in that store, so another can take its place at any time.

    A client numbers its changes; the last number is written together with the change, so a change that is sent
    again, because the actor died before it answered, changes nothing.

    Args:
        behind: URL of the store.
        reproducible: how gradients are summed.
        lease_seconds: after this time gradients that were taken and not consumed return.

    Raises:
        UsageError: a store that ends with the actor.
    """

    def __init__(self, behind: str, reproducible: bool, lease_seconds: float) -> None:
        self.store = open_store(behind, reproducible=reproducible, lease_seconds=lease_seconds)
        if isinstance(self.store, MemoryStore):
            raise UsageError(f"behind={behind} ends with the actor; put a store behind it that stays, such as sqlite:////abs/file.db")

    def durable(self) -> bool:
        """Whether the store behind is."""
        return bool(self.store.durable)

    def documents(self, keys: Sequence[str]) -> dict[str, bytes]:
        """See ``Backend``."""
        found: dict[str, bytes] = self.store._documents(keys)
        return found

    def pointers(self, ids: Sequence[str]) -> dict[str, Pointer]:
        """See ``Backend``."""
        found: dict[str, Pointer] = self.store._pointers(ids)
        return found

    def both(self, keys: Sequence[str], ids: Sequence[str]) -> tuple[dict[str, bytes], dict[str, Pointer]]:
        """Documents and pointers in one call."""
        return self.documents(keys), self.pointers(ids)

    def row(self, id: str, at: int | None) -> Row | None:
        """See ``Backend``."""
        found: Row | None = self.store._row(id, at)
        return found

    def rows(self, id: str) -> list[Row]:
        """See ``Backend``."""
        return list(self.store._rows(id))

    def ids(self, prefix: str) -> list[str]:
        """See ``Backend``."""
        return list(self.store._ids(prefix))

    def keys(self, prefix: str) -> list[str]:
        """Keys of documents."""
        return list(self.store.keys(prefix))

    def change(
        self, client: str, number: int, documents: Mapping[str, bytes | None], pointers: Mapping[str, Pointer | None], change: Change
    ) -> bool:
        """Write ``change`` if what it was decided on still holds; False: it does not, and nothing was written."""
        mark = _mark(client)

        def decide(found: Mapping[str, bytes], known: Mapping[str, Pointer]) -> Change:
            if _number(found.get(mark)) >= number:
                return Change(result=True)
            moved = any(found.get(key) != seen for key, seen in documents.items())
            if moved or any(known.get(id) != seen for id, seen in pointers.items()):
                return Change(result=False)
            return Change({**change.documents, mark: str(number).encode()}, change.rows, True)

        return bool(self.store._change([*documents, mark], list(pointers), decide))

    def push(self, client: str, number: int, name: str, delta: Any, scale: float, token: str | None) -> None:
        """Add a gradient once."""
        key, mark, seen = gradient_key(name), _mark(client), token_key(name, token) if token is not None else None

        def decide(found: Mapping[str, bytes], known: Mapping[str, Pointer]) -> Change:
            acc = self.store._accumulator(name, found, known)
            fitting = checked(name, acc, delta, scale)
            if _number(found.get(mark)) >= number or (seen is not None and seen in found):
                return Change()
            writes = {key: encode(pushed(acc, fitting, scale, self.store.reproducible)), mark: str(number).encode()}
            return Change({**writes, **({seen: b"1"} if seen is not None else {})})

        self.store._change([key, mark, *([seen] if seen is not None else [])], [name], decide, durable=False)

    def apply(self, conf: Any, ids: Sequence[str]) -> None:
        """One step of an update rule, here."""
        facets.get("init_optimizer")(conf, list(ids), self.store).apply()


def _mark(client: str) -> str:
    return f"w/{client}"


def _number(found: bytes | None) -> int:
    return int(found) if found else 0
