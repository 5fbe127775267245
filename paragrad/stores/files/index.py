"""The index of a FileStore: what its manifest says, in memory. It grows with ids and documents, not with versions.

A record holds what one commit changed, and the digest of the record before it. A snapshot is a
record that holds everything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from paragrad.errors import Corrupted
from paragrad.stores.backend import Pointer, Row
from paragrad.stores.files.records import Record
from paragrad.stores.files.versions import Ref, Roots, grown, ref_of
from paragrad.stores.sealing import pack, unpack

Copy = tuple[str, int, bytes]
"""Data that a record carries besides: file, offset, bytes."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the index knows of a parameter."""

    spec: str
    shape: tuple[int, ...]
    count: int
    roots: Roots

    def pointer(self) -> Pointer:
        """As the logic of stores asks for it."""
        return Pointer(self.roots[0][1].version, self.count, self.spec, self.shape)


_UNKNOWN = Known("", (), 0, ())
_NOTHING: tuple[bytes, dict[str, Any], list[bytes]] = (b"", {}, [])


class Index:
    """State after the records so far.

    Args:
        where: the manifest, as messages name it.

    Attributes:
        number: of records so far. ``chain``: the digest of the last one. ``most``: the largest number there was.
        end: where the next data goes: pack and offset.
        settled: the pack where data ended at the last snapshot; everything before it is durable.
    """

    def __init__(self, where: Callable[[], str]) -> None:
        self._where = where
        self.number = self.most = 0
        self.chain = ""
        self.end = (1, 0)
        self.settled = 1
        self.documents: dict[str, bytes | Ref] = {}
        self.parameters: dict[str, Known] = {}
        self._made = _NOTHING

    def named(self, keys: Sequence[str]) -> dict[str, bytes | Ref]:
        """Documents that exist."""
        return {key: self.documents[key] for key in keys if key in self.documents}

    def pointers(self, ids: Sequence[str]) -> dict[str, Pointer]:
        """Pointers of the ids that exist."""
        return {id: self.parameters[id].pointer() for id in ids if id in self.parameters}

    def apply(self, record: Record) -> list[Ref]:
        """Take over a record; returns the large documents that it supersedes.

        Raises:
            Corrupted: it is not the one that follows, or no record of ours.
        """
        with self._ours():
            return self._apply(record)

    def refuse_older(self) -> None:
        """Refuse an index that was replaced by an older one while it was in use.

        Raises:
            Corrupted: it was.
        """
        if self.number < self.most:
            raise Corrupted(
                f"{self._where()} was replaced by an older one: it ends at record {self.number}, and there were {self.most}; "
                "nothing was written: put the newer one back and open the store again"
            )

    def copy_in(self, record: Record) -> Copy | None:
        """The data that a record carries a copy of.

        Raises:
            Corrupted: it is no record of ours.
        """
        with self._ours():
            header, blobs = unpack(record[0])
            if header["copy"] is None:
                return None
            place, offset = header["copy"]
            ref = ref_of((place, offset, 0, "", 0))
            return ref.place, ref.offset, blobs[-1]

    @contextmanager
    def _ours(self) -> Iterator[None]:
        """What is read here may have been written by somebody else."""
        try:
            yield
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError) as error:
            where = self._where()
            raise Corrupted(f"{where}: a record is none of this library ({error!r:.120}); restore the directory from a backup") from error

    def _apply(self, record: Record) -> list[Ref]:
        header, blobs = self._made[1:] if record[0] is self._made[0] else unpack(record[0])
        self._made = _NOTHING
        if header["whole"]:
            self.documents, self.parameters = {}, {}
            self.settled = int(header["end"][0])
        elif (header["number"], header["chain"]) != (self.number + 1, self.chain):
            raise Corrupted(
                f"{self._where()}: record {header['number']} does not follow {self.number}; restore the directory from a backup"
            )
        pack_number, offset = header["end"]
        self.number, self.end = int(header["number"]), (int(pack_number), int(offset))
        self.most = max(self.most, self.number)
        self.chain = str(header["chain"]) if header["whole"] else record[1]
        documents: dict[str, bytes | Ref | None] = dict.fromkeys(header["gone"])
        documents.update(zip(header["documents"], blobs, strict=False))
        documents.update({key: ref_of(ref) for key, ref in header["large"].items()})
        for id, (spec, shape, count, roots) in header["parameters"].items():
            self.parameters[id] = Known(str(spec), _shape(shape), int(count), tuple((int(size), ref_of(ref)) for size, ref in roots))
            self.parameters[id].pointer()
        for id, (spec, shape, ref) in header["new"].items():
            known = self.parameters.get(id) or _UNKNOWN
            self.parameters[id] = Known(str(spec), _shape(shape), known.count + 1, grown(known.roots, ref_of(ref)))
        return self._keep(documents)

    def _keep(self, documents: Mapping[str, bytes | Ref | None]) -> list[Ref]:
        """Write documents, None: forget them; returns the large ones that were there before."""
        superseded = []
        for key, content in documents.items():
            before = self.documents.pop(key, None) if content is None else self.documents.get(key)
            if content is not None:
                self.documents[key] = content
            if isinstance(before, Ref):
                superseded.append(before)
        return superseded

    def record(
        self, documents: Mapping[str, bytes | Ref | None], new: Mapping[str, tuple[Row, Ref]], end: tuple[int, int], copy: Copy | None
    ) -> bytes:
        """The payload of the record that changes these.

        Args:
            new: the next version of each parameter, and where it is.
            copy: data of this commit that is not durable where it belongs.
        """
        front = {"number": self.number + 1, "chain": self.chain, "whole": False, "end": end, "parameters": {}}
        self._made = _payload({**front, "new": {id: (row.spec, row.shape, ref) for id, (row, ref) in new.items()}}, documents, copy)
        return self._made[0]

    def snapshot(self) -> bytes:
        """The payload of a record that holds everything."""
        front = {"number": self.number, "chain": self.chain, "whole": True, "end": self.end, "new": {}}
        known = {id: (each.spec, each.shape, each.count, each.roots) for id, each in self.parameters.items()}
        return _payload({**front, "parameters": known}, self.documents, None)[0]

    def blobs(self) -> set[str]:
        """Where the large documents are."""
        return {content.place for content in self.documents.values() if isinstance(content, Ref)}


def _shape(found: Any) -> tuple[int, ...]:
    return tuple(int(size) for size in found)


def _payload(
    front: Mapping[str, Any], documents: Mapping[str, bytes | Ref | None], copy: Copy | None
) -> tuple[bytes, dict[str, Any], list[bytes]]:
    """A record's payload, and what ``unpack`` would find in it."""
    inline = {key: content for key, content in documents.items() if isinstance(content, bytes)}
    header: dict[str, Any] = {
        **front,
        "gone": [key for key, content in documents.items() if content is None],
        "documents": list(inline),
        "large": {key: content for key, content in documents.items() if isinstance(content, Ref)},
        "copy": None if copy is None else copy[:2],
    }
    blobs = [*inline.values(), *([] if copy is None else [copy[2]])]
    return pack(header, blobs), header, blobs
