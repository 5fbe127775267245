"""What the logic of a store asks of the place where bytes are kept.

The public behaviour (versions, gradients, releases, transactions) is written once, in terms of six
methods. ``KeyValueStore`` derives them from three primitives; a store with native tables overrides
them for speed.
"""

from __future__ import annotations

import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from paragrad.errors import Conflict, Corrupted
from paragrad.protocols.space import Space
from paragrad.registry import spaces
from paragrad.stores.ids import HEAD
from paragrad.stores.sealing import canonical
from paragrad.stores.urls import redacted


@dataclass(frozen=True, slots=True)
class Pointer:
    """Where a parameter stands: its newest version, how many there are, its space's spec as JSON, an array's shape."""

    version: int
    count: int
    spec: str
    shape: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One version of one parameter. ``data`` is what ``_pack`` made of the value; ``ordinal`` counts from 0."""

    id: str
    version: int
    ordinal: int
    time: float
    note: str | None
    spec: str
    data: Any
    shape: tuple[int, ...] = ()

    def pointer(self) -> Pointer:
        """The pointer of a parameter whose newest version this is."""
        return Pointer(self.version, self.ordinal + 1, self.spec, self.shape)


@dataclass(frozen=True, slots=True)
class Change:
    """What one atomic change writes: documents (None: forget it) and new versions. ``result`` is handed back."""

    documents: Mapping[str, bytes | None] = field(default_factory=dict)
    rows: Sequence[Row] = ()
    result: Any = None


Decide = Callable[[Mapping[str, bytes], Mapping[str, Pointer]], Change]


class Moved(Exception):
    """What a decision was based on has changed since; look again. Never leaves this package."""


@dataclass(frozen=True, slots=True)
class Head:
    """The store's own state: the number of commits and of parameters, and transactions in doubt."""

    commit: int = 0
    parameters: int = 0
    staged: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def encode(self) -> bytes:
        """As bytes: two numbers, and JSON where transactions are in doubt."""
        staged = canonical(self.staged) if self.staged else ""
        return f"{self.commit} {self.parameters} {staged}".encode()

    @classmethod
    def decode(cls, data: bytes | None) -> Head:
        """From bytes; an empty store has none."""
        if data is None:
            return cls()
        commit, parameters, staged = data.decode().split(" ", 2)
        return cls(int(commit), int(parameters), json.loads(staged) if staged else {})


class Backend(ABC):
    """State every store has, and the six methods.

    Args:
        key: the store's name in parameter contexts; its URL without password.
        reproducible: sum gradients exactly, so the bits do not depend on the order of the pushes.
        lease_seconds: after this time gradients that were taken and not consumed return.
    """

    key: Any
    reproducible: bool = False
    lease_seconds: float = 600.0
    retry_seconds: float = 30.0
    _lock: threading.RLock
    _spaces: dict[str, Space[Any]]
    _specs: dict[str, str]

    def __new__(cls, *args: Any, **options: Any) -> Any:
        """State is made here, so a subclass's ``__init__`` need not call ``super().__init__()``."""
        store = super().__new__(cls)
        store.key = redacted(args[0]) if args and isinstance(args[0], str) else f"{cls.__name__.lower()}:{id(store):x}"
        store._lock = threading.RLock()
        store._spaces = {}
        store._specs = {}
        return store

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.key!r})"

    @abstractmethod
    def _change(self, keys: Sequence[str], ids: Sequence[str], decide: Decide, durable: bool = True) -> Any:
        """Read these documents and pointers, let ``decide`` choose, and write its Change: all or nothing.

        ``decide`` may run several times and must not have effects. Documents that are read and not
        written are not guarded against other writers; what must be guarded is written again.
        """

    @abstractmethod
    def _documents(self, keys: Sequence[str]) -> dict[str, bytes]:
        """The verified payloads of the keys that exist."""

    @abstractmethod
    def _pointers(self, ids: Sequence[str]) -> dict[str, Pointer]:
        """Pointers of the ids that exist."""

    @abstractmethod
    def _row(self, id: str, at: int | None = None) -> Row | None:
        """The newest verified version not later than commit ``at``, in O(log n) reads."""

    @abstractmethod
    def _rows(self, id: str) -> list[Row]:
        """Every verified version, oldest first."""

    @abstractmethod
    def _ids(self, prefix: str) -> list[str]:
        """Ids that start with ``prefix``, in any order."""

    def _pack(self, space: Space[Any], value: Any) -> Any:
        return space.encode(value)

    def _unpack(self, space: Space[Any], row: Row) -> Any:
        try:
            return space.decode(row.data)
        except (ValueError, TypeError, KeyError) as error:
            raise Corrupted(f"version {row.version} of {row.id!r} is no {space.kind} value: {error}") from error

    def _head(self) -> Head:
        return Head.decode(self._documents([HEAD]).get(HEAD))

    def _space(self, spec: str) -> Space[Any]:
        """The space of a spec, made once per store."""
        found = self._spaces.get(spec)
        if found is None:
            parsed = json.loads(spec)
            found = self._spaces[spec] = spaces.get(parsed["kind"]).from_spec(parsed)
        return found

    def _unknown(self, id: Any) -> KeyError:
        return KeyError(f"{self!r} holds no parameter {id!r:.120}; init_parameter(id, value) makes one")


def lost_race(id: str, have: int, want: int) -> Conflict:
    """The error of a compare-and-set that lost."""
    return Conflict(f"{id!r} is at version {have}, not {want}: another writer was faster; read it again and retry")
