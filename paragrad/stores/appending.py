"""Appended pushes: a gradient is added to the end of a list on the server, and summed when it is read.

So pushers never wait for each other and never read the sum. The accumulator of a parameter is its
document plus the list; whoever writes the document (a lease, a reset, a fold) takes exactly the
entries that it read off the list. Entries fit the parameter they were checked against, or are refused
by the server: each push names the shape it was made for.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from paragrad.stores.accumulate import Accumulator, checked, decode, encode, merged, pushed
from paragrad.stores.backend import Change, Decide, Pointer
from paragrad.stores.grouping import Grouped, Recent
from paragrad.stores.ids import encode_id, gradient_key, segment, token_key
from paragrad.stores.sealing import seal, unseal

FOLD = 256
FOLD_BYTES = 16_000_000


def list_key(id: str) -> str:
    """Where pushes that nobody has summed are."""
    return f"q/{segment(id)}"


def fit_key(id: str) -> str:
    """Where the shape and type is that pushes must have."""
    return f"h/{segment(id)}"


def described(acc: Accumulator) -> bytes:
    """Shape and type of an accumulator in a few bytes."""
    return f"{acc.dtype} {'number' if acc.shape is None else ','.join(map(str, acc.shape))}".encode()


def folded(key: str, base: bytes, entries: Iterable[bytes], exact: bool) -> bytes:
    """The accumulator's document with the entries of its list added.

    Raises:
        Corrupted: an entry does not match its digest.
    """
    opened = [decode(unseal(key, entry)) for entry in entries]
    if not opened:
        return base
    total = decode(base)
    for part in opened:
        total = merged(total, part, exact)
    return encode(total)


class Appending(Grouped):
    """A Grouped store whose server can append to lists."""

    _recent: Recent
    _fits: dict[str, Accumulator]
    _unfolded: dict[str, tuple[int, int]]

    def _begin(self) -> None:
        super()._begin()
        self._recent = Recent()
        self._fits = {}
        self._unfolded = {}

    @abstractmethod
    def _append(self, name: str, fit: bytes, entry: bytes, mark: str | None) -> bool:
        """Append once, unless ``mark`` exists, and make it; False: ``fit`` is no longer what pushes must have."""

    def _push(self, name: str, delta: Any, scale: float, token: str | None) -> None:
        self._process.renew(self._after_fork)
        mark = token_key(name, token) if token is not None else None
        key = list_key(name)
        while True:
            fit, fitting = self._fitting(name, delta, scale)
            entry = seal(key, encode(pushed(fit, fitting, scale, self.reproducible)))
            if self._append(name, described(fit), entry, mark):
                break
            self._fits.pop(name, None)
        self._count(name, len(entry))

    def _fitting(self, name: str, delta: Any, scale: float) -> tuple[Accumulator, Any]:
        """The empty accumulator that a push must fit, and the push made to fit."""
        known = self._fits.get(name)
        if known is not None:
            try:
                return known, checked(name, known, delta, scale)
            except (TypeError, ValueError):  # perhaps the parameter was started anew with another shape
                pass
        found = self._accumulator(name, self._documents([gradient_key(name)]), self._pointers([name]))
        fit = self._fits[name] = replace(found, count=0, terms=())
        return fit, checked(name, fit, delta, scale)

    def _count(self, name: str, size: int) -> None:
        """Now and then fold the list, so that it stays short."""
        pushes, total = self._unfolded.get(name, (0, 0))
        pushes, total = pushes + 1, total + size
        self._unfolded[name] = (pushes, total) if pushes < FOLD and total < FOLD_BYTES else (0, 0)
        if pushes >= FOLD or total >= FOLD_BYTES:
            self._change([gradient_key(name)], [name], _as_read(gradient_key(name)))

    def init_parameter(self, id: Any, value: Any, space: Any = None, *, expect: int | None = None) -> int:
        """See ``Publishing``."""
        version = super().init_parameter(id, value, space, expect=expect)
        self._fits.pop(encode_id(id), None)
        return version


def _as_read(key: str) -> Decide:
    """A change that writes a document as it was read: base and list become one."""

    def decide(documents: Mapping[str, bytes], pointers: Mapping[str, Pointer]) -> Change:
        return Change({key: documents[key]} if key in documents else {})

    return decide


def fits_after(anew: Iterable[str], documents: Mapping[str, bytes | None]) -> dict[str, bytes]:
    """Id to what pushes must have from now on, for ids that were started anew; empty: none can be pushed."""
    found = {}
    for id in anew:
        payload = documents.get(gradient_key(id))
        found[id] = described(decode(payload)) if payload else b""
    return found
