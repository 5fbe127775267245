"""Parameter contexts: whose values a block reads: a store's, a release's, a candidate's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from paragrad.errors import UsageError
from paragrad.protocols.evidence import Candidate
from paragrad.stores.cells import StoreCell, ensure
from paragrad.stores.opening import open as open_store
from paragrad.stores.released import Released
from paragrad.stores.releases import ReleaseView
from paragrad.trace.cell import Cell
from paragrad.trace.described import refuse_unnamed
from paragrad.trace.nodes import FrozenVersion, Node, Version
from paragrad.trace.overlay import Overlay, overlaid
from paragrad.trace.state import STATE


class StoreContext(Overlay):
    """Parameters read from and written to stores, live.

    Args:
        stores: key to store. A Parameter is found under its own store's key, else under "default".
    """

    __slots__ = ("_cells", "stores")

    def __init__(self, stores: Mapping[Any, Any], outer: Overlay | None = None) -> None:
        super().__init__(outer)
        self.stores = {key: open_store(store) if isinstance(store, str) else store for key, store in stores.items()}
        self._cells: dict[Cell, tuple[StoreCell, Cell]] = {}

    def read(self, parameter: Any) -> Node:
        """The store's current version, or the surrounding context's for a Parameter no store serves."""
        bound = self.bound(parameter)
        if bound is None:
            return super().read(parameter)
        value, version = bound.current()
        return self._version(parameter, value, version)

    def read_at(self, parameter: Any, commits: dict[Any, int]) -> Node:
        """The version as of the commit pinned for its store."""
        bound = self.bound(parameter)
        if bound is None:
            return super().read_at(parameter, commits)
        commit = commits.setdefault(bound.key, bound.commit())
        try:
            value, version = bound.at(commit)
        except KeyError:  # its first value was written after the commit was pinned
            value, version = bound.first()
        return self._version(parameter, value, version)

    def write(self, parameter: Any, value: Any) -> int:
        """A new version in the store."""
        bound = self.bound(parameter)
        return bound.write(value) if bound is not None else super().write(parameter, value)

    def publish(self, changes: Sequence[tuple[Any, Any, int]]) -> None:
        """Several writes at once: those of stores in one commit each, all or none."""
        found = [(self.bound(parameter), parameter, value, base) for parameter, value, base in changes]
        stored = [(cell, value, base) for cell, _, value, base in found if cell is not None]
        if stored:
            stored[0][0].publish(stored)
        super().publish([(parameter, value, base) for cell, parameter, value, base in found if cell is None])

    def bound(self, parameter: Any) -> StoreCell | None:
        """The Parameter's cell here, made on first use."""
        known = self._cells.get(parameter._cell)
        if known is not None:
            return known[0]
        own = parameter._bound
        store = self.stores.get(own.key if own is not None else None, self.stores.get("default"))
        if store is None:
            return None
        refuse_unnamed(parameter)
        leaf: Any = self.outer.read(parameter) if self.outer is not None else parameter._live()
        ensure(store, parameter.id, leaf.value, parameter.space)
        return self._cells.setdefault(parameter._cell, (StoreCell(store, parameter.id), Cell(parameter._cell.handle)))[0]

    def _version(self, parameter: Any, value: Any, version: int) -> Node:
        cell = self._cells[parameter._cell][1]
        cell.current = version
        return (Version if parameter._trained else FrozenVersion)(value, version, cell)


class ReleaseContext(Overlay):
    """Parameters as a release holds them; others as around it."""

    __slots__ = ("stores", "view")

    def __init__(self, view: ReleaseView, outer: Overlay | None = None) -> None:
        super().__init__(outer, label=str(view))
        self.view = view
        released = Released(view)
        self.stores: dict[Any, Any] = {"default": released, view.store.key: released}

    def read(self, parameter: Any) -> Node:
        """The release's version of a Parameter that it holds."""
        found = self.versions.get(parameter._cell)
        if found is not None or parameter.id not in self.view.versions:
            return found if found is not None else super().read(parameter)
        entry = self.view.entry(parameter.id)
        made = FrozenVersion(parameter.checked(entry.value), entry.version, Cell(parameter._cell.handle, entry.version))
        return self.versions.setdefault(parameter._cell, made)


class ValuesContext(Overlay):
    """Parameters with given values, by id."""

    __slots__ = ("values",)

    def __init__(self, values: Mapping[str, Any], outer: Overlay | None = None) -> None:
        super().__init__(outer)
        self.values = values

    def read(self, parameter: Any) -> Node:
        """The given value, or the surrounding context's."""
        found = self.versions.get(parameter._cell)
        if found is None and parameter.id in self.values:
            source: Any = super().read(parameter)
            found = self._own(parameter, parameter.checked(self.values[parameter.id]), source)
            self.versions[parameter._cell] = found
        return found if found is not None else super().read(parameter)


def resolve_context(spec: Any) -> Any:
    """A context manager for whatever names a context.

    Args:
        spec: a store or URL (served as "default"), ``{key: store}``, a release
            (``"sqlite:///x.db#route@production"`` or a ReleaseView), or a Candidate.

    Raises:
        UsageError: none of these.
    """
    if isinstance(spec, str) and "#" in spec:
        url, _, release = spec.partition("#")
        spec = open_store(url).resolve_release(release)
    if isinstance(spec, str) or hasattr(spec, "get_entry"):
        spec = {"default": spec}
    if isinstance(spec, (Mapping, ReleaseView, Candidate, Overlay)):
        return _entered(spec)
    raise UsageError(f"{spec!r:.80} is no parameter context; pass a store, its URL, {{key: store}}, a release or a Candidate")


@contextmanager
def _entered(spec: Any) -> Iterator[Overlay]:
    outer = STATE.get().overlay
    if isinstance(spec, Overlay):
        made = spec
    elif isinstance(spec, ReleaseView):
        made = ReleaseContext(spec, outer)
    elif isinstance(spec, Candidate):
        made = ValuesContext(spec.values, outer)
    else:
        made = StoreContext(spec, outer)
    with overlaid(made) as entered:
        yield entered


def ambient_stores() -> Mapping[Any, Any] | None:
    """Key to store of the surrounding ``parameter_context`` blocks, the innermost first; None outside any.

    A release serves as its store at that time.
    """
    here = STATE.get().overlay
    found: dict[Any, Any] | None = None
    while here is not None:
        if isinstance(here, (StoreContext, ReleaseContext)):
            found = here.stores if found is None else {**here.stores, **found}
        here = here.outer
    return found


def parameter_context(spec: Any) -> Any:
    """Read Parameters from a store, a release or a candidate inside a block: ``with pg.parameter_context(store):``."""
    return resolve_context(spec)
