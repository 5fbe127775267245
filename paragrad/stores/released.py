"""A store as one release holds it, for readers that ask a store and not a Parameter."""

from __future__ import annotations

from typing import Any

from paragrad.protocols.store import Entry, ParameterId
from paragrad.stores.ids import encode_id
from paragrad.stores.releases import ReleaseView


class Released:
    """Reads as of the release; all but reading is the store's own.

    Args:
        view: the release.

    Attributes:
        now: the store itself.
    """

    newest_values = None
    """Values are read one by one: they are not of one commit."""

    def __init__(self, view: ReleaseView) -> None:
        self.view = view
        self.now = view.store
        self.key = view.store.key

    def commit(self) -> int:
        """The last commit that the release knows of."""
        return max(self.view.versions.values())

    def get_entry(self, id: ParameterId, at: int | None = None) -> Entry:
        """The release's version, also where a later commit is asked for."""
        if encode_id(id) in self.view.versions:
            return self.view.entry(id)
        found: Entry = self.now.get_entry(id, at)
        return found

    def get_parameter_value(self, id: ParameterId, version: int | None = None) -> Any:
        """The release's value, or that of a version."""
        return self.get_entry(id).value if version is None else self.now.get_parameter_value(id, version)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.now, name)

    def __repr__(self) -> str:
        return f"{self.now!r} as of {self.view}"
