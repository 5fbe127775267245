"""One commit's versions on their way into files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from paragrad.stores.backend import Row
from paragrad.stores.files import rows, versions
from paragrad.stores.files.index import Copy, Known
from paragrad.stores.files.records import Part, digest
from paragrad.stores.files.versions import Ref

_SMALL = 65_536
_HUGE = 1 << 20


class Batch:
    """The bytes of new versions, and what the index will know of them.

    Args:
        new: the versions.
        known: parameters before.
    """

    def __init__(self, new: Sequence[Row], known: Mapping[str, Known]) -> None:
        self.new = new
        self.before = {row.id: known[row.id].roots if row.id in known else () for row in new}
        self.parts: list[Part] = []
        self._headers: list[bytes] = []
        self._digests = _Digests([row.data.content for row in new])

    def lay_out(self) -> list[Part]:
        """The parts in order; headers of huge values have no digest yet, see ``seal``."""
        for place, row in enumerate(self.new):
            header = rows.header_of(row, versions.below(self.before[row.id]), self._digests.now(place))
            self._headers.append(header)
            self.parts += [header, row.data.content, bytes(-len(row.data.content) % rows.ALIGN)]
        return self.parts

    def seal(self) -> list[tuple[int, bytes]]:
        """Headers that had to wait for their value's digest, and where in the batch they belong."""
        late = []
        at = 0
        for place, row in enumerate(self.new):
            if self._digests.late(place):
                self._headers[place] = rows.header_of(row, versions.below(self.before[row.id]), self._digests.wait(place))
                late.append((at, self._headers[place]))
            at += self._size(place)
        self._digests.close()
        return late

    def placed(self, name: str, offset: int) -> dict[str, tuple[Row, Ref]]:
        """Each version with its place, when the batch is at ``offset`` of ``name``."""
        found = {}
        for place, row in enumerate(self.new):
            header = self._headers[place]
            found[row.id] = (row, Ref(name, offset, len(header), digest([header]), row.version))
            offset += self._size(place)
        return found

    def copy(self, name: str, offset: int) -> Copy | None:
        """The whole batch once more, for the record, when it is small."""
        return (name, offset, b"".join(self.parts)) if self.parts and sum(map(len, self.parts)) < _SMALL else None

    def _size(self, place: int) -> int:
        header, content, padding = self.parts[3 * place : 3 * place + 3]
        return len(header) + len(content) + len(padding)


class _Digests:
    """SHA-256 of contents; those of huge ones are computed while they are written."""

    def __init__(self, contents: Sequence[Part]) -> None:
        self._contents = contents
        self._pool: Any = None
        self._late: dict[int, Future[str]] = {}
        for place, content in enumerate(contents):
            if len(content) >= _HUGE:
                self._pool = self._pool or ThreadPoolExecutor(2)
                self._late[place] = self._pool.submit(digest, [content])

    def now(self, place: int) -> str:
        return "0" * 64 if place in self._late else digest([self._contents[place]])

    def late(self, place: int) -> bool:
        return place in self._late

    def wait(self, place: int) -> str:
        return self._late[place].result()

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown()
