"""Reading versions: the newest, the one at a commit, all of them; each is verified."""

from __future__ import annotations

from paragrad.stores.backend import Row
from paragrad.stores.files import rows, versions
from paragrad.stores.files.local import LocalFiles
from paragrad.stores.files.remote import RemoteFiles
from paragrad.stores.files.versions import Ref, Roots

_AHEAD = 8_192
_CACHED_ROWS = 4096
_CACHED_BYTES = 16_384


class Reader:
    """Versions of the parameters of one store.

    Args:
        files: where they are.
    """

    def __init__(self, files: LocalFiles | RemoteFiles) -> None:
        self._files = files
        self._cache: dict[str, tuple[str, Row]] = {}

    def newest(self, id: str, roots: Roots) -> Row:
        """The newest version; a small one that was verified before is known by its digest."""
        ref = roots[0][1]
        cached = self._cache.get(id)
        if cached is not None and cached[0] == ref.digest:
            return cached[1]
        row = self._row(id, ref)[0]
        if len(row.data.content) <= _CACHED_BYTES:
            if len(self._cache) >= _CACHED_ROWS:
                for old in list(self._cache)[: _CACHED_ROWS // 4]:
                    self._cache.pop(old, None)
            self._cache[id] = (ref.digest, row)
        return row

    def at(self, id: str, roots: Roots, commit: int) -> Row | None:
        """The newest version not later than ``commit``; on the way to it headers are read, not values."""
        if roots[0][1].version <= commit:
            return self.newest(id, roots)
        ref = versions.find(roots, commit, lambda each: (None, self._header(id, each)[0].below))
        return None if ref is None else self._row(id, ref)[0]

    def every(self, id: str, roots: Roots) -> list[Row]:
        """All versions, oldest first."""
        return list(versions.walk(roots, lambda ref: self._row(id, ref)))[::-1]

    def _header(self, id: str, ref: Ref) -> tuple[rows.Header, bytes]:
        """A version's header, and what was read with it."""
        data = self._files.read(ref.place, ref.offset, ref.size + _AHEAD)
        return rows.read_header(id, ref, data[: ref.size], self._files.place(ref.place)), data

    def _row(self, id: str, ref: Ref) -> tuple[Row, tuple[Ref, ...]]:
        """A version, and what is below it."""
        header, data = self._header(id, ref)
        content: bytes | memoryview = memoryview(data)[ref.size : ref.size + header.size]
        if len(content) < header.size:
            content = self._files.read(ref.place, ref.offset + ref.size, header.size)
        return rows.with_value(header, content, ref, self._files.place(ref.place)), header.below
