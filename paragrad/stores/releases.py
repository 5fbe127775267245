"""Releases: immutable, numbered sets of versions, and tags that move between them."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from paragrad.errors import Conflict, Corrupted, UsageError
from paragrad.protocols.store import Entry, ParameterId
from paragrad.registry import facets
from paragrad.stores.backend import Change, Moved, Pointer
from paragrad.stores.gradients import Documents
from paragrad.stores.ids import RELEASES, encode_id, release_key
from paragrad.stores.sealing import canonical
from paragrad.stores.values import Values

_NAME = re.compile(r"[^@#\s][^@#\n]*")


@dataclass(frozen=True, slots=True)
class Release:
    """A release as a record: what it holds, when it was made, which tags are on it."""

    name: str
    number: int
    versions: Mapping[str, int]
    time: float
    note: str | None = None
    tags: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}@{self.number}"


@dataclass(frozen=True, slots=True)
class ReleaseView:
    """The values of one release: what a parameter context reads from."""

    store: Any
    name: str
    number: int
    versions: Mapping[str, int]

    def __str__(self) -> str:
        return f"{self.name}@{self.number}"

    def entry(self, id: ParameterId) -> Entry:
        """The entry of this release.

        Raises:
            KeyError: the release does not hold ``id``.
        """
        name = encode_id(id)
        if name not in self.versions:
            raise KeyError(f"release {self} does not hold {name!r:.120}; it holds {', '.join(self.versions)[:300]}")
        found: Entry = self.store.get_entry(name, self.versions[name])
        if found.version != self.versions[name]:
            raise Corrupted(f"version {self.versions[name]} of {name!r} that release {self} holds is missing")
        return found


class Releases(Values):
    """Releases and tags of a ParameterStore."""

    def release(self, name: str, ids: Sequence[ParameterId] | None = None, note: str | None = None) -> str:
        """Fix the current versions of ``ids`` (None: all) under the next number of ``name``; returns ``"name@number"``.

        Raises:
            KeyError: unknown id.
            UsageError: a name with @ or #, or nothing to release.
        """
        if not _NAME.fullmatch(name):
            raise UsageError(f"{name!r:.80} is no release name; leave out @, # and blanks in front")
        if isinstance(ids, str):
            raise UsageError(f"release takes several ids; write release({name!r:.40}, [{ids!r:.80}])")
        versions = self._versions_now(None if ids is None else [encode_id(id) for id in ids])
        if not versions:
            why = f"{self!r} holds no parameter" if ids is None else "ids is empty; leave it out to release all parameters"
            raise UsageError(f"nothing to release as {name!r}: {why}")
        while True:
            number = self._index().get(name, {"count": 0})["count"] + 1
            record = {"versions": versions, "time": time.time(), "note": note}
            try:
                self._add_release(name, number, canonical(record).encode())
            except Moved:
                continue
            return f"{name}@{number}"

    def releases(self, name: str | None = None) -> Sequence[Release]:
        """Every release of ``name`` (None: of all names), oldest first, with its tags."""
        index = self._index()
        wanted = sorted(index) if name is None else [name] * (name in index)
        found = []
        for each in wanted:
            for number in range(1, index[each]["count"] + 1):
                found.append(self._release(each, number, index[each]["tags"]))
        return found

    def tag(self, release: str, tag: str, expect: str | None = None) -> None:
        """Put ``tag`` on ``release`` ("route@8"); it leaves the release of that name that had it.

        Args:
            release: name and number, or name and another tag.
            tag: a word, not a number.
            expect: the release that must have the tag now; "" that none has; None: whoever.

        Raises:
            KeyError: unknown release.
            Conflict: another release has the tag; nothing was changed.
        """
        if not _NAME.fullmatch(tag) or tag.isdigit():
            raise UsageError(f"{tag!r:.80} is no tag; use a word such as 'production'")
        name, number = self._resolve(release)
        wanted = self._resolve(expect) if expect else None

        def decide(documents: Documents, pointers: Mapping[str, Pointer]) -> Change:
            index = _decoded(documents.get(RELEASES))
            now = index[name]["tags"].get(tag)
            if expect is not None and (wanted[1] if wanted else None) != now:
                holder = f"{name}@{now}" if now else "no release"
                raise Conflict(f"{tag!r} is on {holder}, not on {expect or 'no release'}; look again before moving it")
            index[name]["tags"][tag] = number
            return Change({RELEASES: canonical(index).encode()})

        if wanted is not None and wanted[0] != name:
            raise UsageError(f"tags belong to one name: {expect!r} is no release of {name!r}")
        self._change([RELEASES], [], decide)

    def resolve_release(self, release: str) -> ReleaseView:
        """The release that "route@8", "route@production" or "route" (the newest) names.

        Raises:
            KeyError: no such name, number or tag; the message lists what there is.
        """
        name, number = self._resolve(release)
        found = self._release(name, number, {})
        return ReleaseView(self, name, number, found.versions)

    def at(self, release: str) -> AbstractContextManager[Any]:
        """A parameter context in which these parameters have the release's values."""
        entered: AbstractContextManager[Any] = facets.get("context")(self.resolve_release(release))
        return entered

    def _versions_now(self, names: list[str] | None) -> dict[str, int]:
        """Versions as of one commit, although other writers go on."""
        wanted = self.ids() if names is None else names
        while True:
            commit = self.commit()
            pointers = self._pointers(wanted)
            for name in wanted:
                if name not in pointers:
                    raise self._unknown(name)
            later = {name: self._row(name, commit) for name in wanted if pointers[name].version > commit}
            if None not in later.values():
                return {name: row.version if (row := later.get(name)) else pointers[name].version for name in wanted}

    def _index(self) -> dict[str, Any]:
        return _decoded(self._documents([RELEASES]).get(RELEASES))

    def _add_release(self, name: str, number: int, record: bytes) -> None:
        def decide(documents: Documents, pointers: Mapping[str, Pointer]) -> Change:
            index = _decoded(documents.get(RELEASES))
            known = index.setdefault(name, {"count": 0, "tags": {}})
            if known["count"] != number - 1:
                raise Moved
            known["count"] = number
            return Change({RELEASES: canonical(index).encode(), release_key(name, number): record})

        self._change([RELEASES, release_key(name, number)], [], decide)

    def _resolve(self, release: str) -> tuple[str, int]:
        name, _, which = release.partition("@")
        known = self._index().get(name)
        if known is None:
            raise KeyError(f"{self!r} has no release {name!r:.80}; there are: {', '.join(sorted(self._index()))[:300] or 'none'}")
        count, tags = known["count"], known["tags"]
        number = int(which) if which.isdecimal() else tags.get(which) if which else count
        if number is None or not 1 <= number <= count:
            there = f"{name}@1 to {name}@{count}, tags: {', '.join(sorted(tags)) or 'none'}"
            raise KeyError(f"{self!r} has no release {release!r:.80}; there are {there}")
        return name, number

    def _release(self, name: str, number: int, tags: Mapping[str, int]) -> Release:
        found = self._documents([release_key(name, number)]).get(release_key(name, number))
        if found is None:
            raise Corrupted(f"release {name}@{number} is missing from {self!r}")
        record = json.loads(found)
        on = tuple(sorted(tag for tag, tagged in tags.items() if tagged == number))
        return Release(name, number, record["versions"], record["time"], record["note"], on)


def _decoded(found: bytes | None) -> dict[str, Any]:
    return dict(json.loads(found)) if found is not None else {}
