"""Overlays: how a context says which values Parameters have.

An overlay owns its values and its accumulators, so eight candidates in eight threads are eight
overlays, never a change or a copy of the program. A pinned overlay remembers the first version
that is read of every Parameter, so no evaluation sees half an update.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any

from paragrad.errors import Conflict, UsageError
from paragrad.trace.cell import Cell
from paragrad.trace.nodes import FrozenVersion, Node, Version
from paragrad.trace.state import STATE, before_write, within

_PUBLISH = Lock()


class Overlay:
    """Parameter values of one context, flattened: reading costs the same at any depth.

    Attributes:
        versions: base cell to the Version this overlay gives.
        base: base cell to the version number the overlay was made from.
        written: base cells changed here, in order.
        trainable: False for a teacher: values are constants.
        buffer: collects writes only; gradients are those of the context around it.
        commits: store key to the commit at which this overlay reads that store, fixed at the first read.
    """

    __slots__ = ("_lock", "base", "buffer", "commits", "label", "outer", "trainable", "versions", "written")

    def __init__(self, outer: Overlay | None = None, *, trainable: bool = True, buffer: bool = False, label: str = "") -> None:
        self.versions: dict[Cell, Node] = {}
        self.base: dict[Cell, int] = {}
        self.written: dict[Cell, Any] = {}
        self.commits: dict[Any, int] = {}
        self.outer = outer
        self.trainable = trainable
        self.buffer = buffer
        self.label = label
        self._lock = Lock()

    def read(self, parameter: Any) -> Node:
        """The version of ``parameter`` here; the first read takes it from the outer context."""
        cell = parameter._cell
        found = self.versions.get(cell)
        if found is not None:
            return found
        source = self._source(parameter)
        with self._lock:
            found = self.versions.get(cell)
            if found is None:
                found = self._own(parameter, source.value, source)
                self.versions[cell] = found
                self.base[cell] = source.version
        return found

    def _source(self, parameter: Any) -> Any:
        """The version this overlay takes over: of the context around it, as of one commit per store."""
        if self.outer is not None:
            return self.outer.read_at(parameter, self.commits)
        bound = parameter._bound
        if bound is None:
            return parameter._live()
        value, version = bound.at(self.commits.setdefault(bound.key, bound.commit()))
        return Version(value, version, parameter._cell)

    def read_at(self, parameter: Any, commits: dict[Any, int]) -> Node:
        """What an overlay inside this one takes over; a live context reads its stores as of ``commits``."""
        return self.read(parameter)

    def _own(self, parameter: Any, value: Any, source: Any) -> Node:
        requires = self.trainable and parameter._trained
        cell = Cell(parameter._cell.handle, source.version)
        if self.buffer:
            cell.acc = source.cell.acc
        return (Version if requires else FrozenVersion)(value, source.version, cell)

    def write(self, parameter: Any, value: Any) -> int:
        """Change a Parameter in this context only; its gradients collected here stay.

        Raises:
            UsageError: nothing is written in a teacher.
        """
        if not self.trainable:
            raise UsageError(f"{parameter.id} cannot be written inside a teacher, which trains nothing; write it outside the block")
        here: Any = self.read(parameter)
        with self._lock:
            cell = here.cell
            cell.current += 1
            made = type(here)(value, cell.current, cell)
            self.versions[parameter._cell] = made
            self.written[parameter._cell] = parameter
            return cell.current  # type: ignore[no-any-return]

    def publish(self, changes: Sequence[tuple[Any, Any, int]]) -> None:
        """Take several writes at once: (parameter, value, the version it was made from).

        Raises:
            Conflict: one of them was written since; none of them is taken.
        """
        for parameter, _, base in changes:
            _refuse_moved(parameter, self.read(parameter).version, base)  # type: ignore[attr-defined]
        for parameter, value, _ in changes:
            self.write(parameter, value)

    def set(self, parameter: Any, value: Any) -> None:
        """Give a Parameter a value for the whole life of this overlay."""
        source = self.read(parameter)
        with self._lock:
            self.versions[parameter._cell] = self._own(parameter, value, source)


@contextmanager
def pinned(parameters: Iterable[Any] = (), label: str = "") -> Iterator[Overlay]:
    """One consistent snapshot: stores as of one commit each, private Parameters as first read; writes stay inside.

    Args:
        parameters: private Parameters that are read together at once, so that no publication falls between them.
    """
    made = Overlay(STATE.get().overlay, label=label)
    with _PUBLISH:
        for parameter in parameters:
            made.read(parameter)
    with overlaid(made) as inside:
        yield inside


def together(parameters: Iterable[Any], over: Overlay | None, commits: dict[Any, int]) -> list[Any]:
    """Versions of several Parameters in a context: no publication falls between them, and stores are read as of one commit.

    Args:
        over: the context; None: live values.
        commits: store key to commit; filled at the first read of a store.
    """
    chosen = list(parameters)
    for parameter in chosen:
        if parameter._meta.pending is not None:  # an initializer may read others, so not under the lock
            parameter.init_data()
    with _PUBLISH:  # a store has its commits for that, and may take its time
        private = {id(parameter): _read_at(parameter, over, commits) for parameter in chosen if parameter._bound is None}
    return [private.get(id(parameter)) or _read_at(parameter, over, commits) for parameter in chosen]


def _read_at(parameter: Any, over: Overlay | None, commits: dict[Any, int]) -> Any:
    """The version in a context; outside every overlay that of a bound Parameter as of its store's commit."""
    if over is not None:
        return over.read_at(parameter, commits)
    bound = parameter._bound
    if bound is None or parameter._lost:
        return parameter._live()
    try:
        value, version = bound.at(commits.setdefault(bound.key, bound.commit()))
    except KeyError:  # its first value was written after the commit was pinned
        value, version = bound.first()
    parameter._cell.current = max(parameter._cell.current, version)
    return parameter._version(value, version)


class overlaid:
    """Run a block in the context of ``made``."""

    __slots__ = ("_within", "made")

    def __init__(self, made: Overlay) -> None:
        self.made = made
        self._within = within(overlay=made)

    def __enter__(self) -> Overlay:
        self._within.__enter__()
        return self.made

    def __exit__(self, *_: object) -> None:
        self._within.__exit__()


@contextmanager
def overlay(values: Mapping[Any, Any]) -> Iterator[Overlay]:
    """A context in which some Parameters have other values: ``{parameter: value}``, checked by their spaces.

    The program is not changed or copied; gradients collected inside belong to the overlay.
    """
    made = Overlay(STATE.get().overlay)
    for parameter, value in values.items():
        if not hasattr(parameter, "_cell"):
            raise UsageError(
                f"overlay takes {{Parameter: value}}; {parameter!r} is no Parameter. For ids use program.overlay({{id: value}})"
            )
        made.set(parameter, parameter.checked(value))
    with overlaid(made) as inside:
        yield inside


@contextmanager
def transaction() -> Iterator[Overlay]:
    """Writes inside the block are published together when it ends, or not at all.

    Raises:
        Conflict: a written Parameter was changed by someone else meanwhile; nothing was published.
    """
    made = Overlay(STATE.get().overlay, buffer=True)
    with within(overlay=made):
        yield made
    publish(made)


def publish(made: Overlay) -> None:
    """Write an overlay's changes to the context around it: all, or none.

    Checks and private writes happen under one lock; Parameters in stores are published by one
    commit per store, staged first when there are several.

    Raises:
        Conflict: a base version has moved on.
    """
    before_write()
    changes = [(parameter, made.versions[cell].value, made.base[cell]) for cell, parameter in made.written.items()]
    if made.outer is not None:
        made.outer.publish(changes)
        return
    private = [change for change in changes if change[0]._bound is None]
    bound = [change for change in changes if change[0]._bound is not None]
    with _PUBLISH:
        for parameter, _, base in private:
            _refuse_moved(parameter, parameter._cell.current, base)
        if bound:
            bound[0][0]._bound.publish([(p._bound, value, base) for p, value, base in bound])
        for parameter, value, _ in private:
            parameter._set_live(value)


def _refuse_moved(parameter: Any, version: int, base: int) -> None:
    if version != base:
        raise Conflict(f"{parameter.id} is at version {version}, not {base}: someone wrote it; read again and retry")


@contextmanager
def guarded(parameters: Iterable[Any]) -> Iterator[None]:
    """While a run trains these Parameters, reading one outside its pinned context raises ``LostContext``."""
    before_write()
    chosen = list(parameters)
    before = [(parameter._leaf, parameter._lost) for parameter in chosen]
    for parameter in chosen:
        parameter._leaf, parameter._lost = None, True
    try:
        yield
    finally:
        for parameter, (leaf, lost) in zip(chosen, before, strict=True):
            parameter._leaf, parameter._lost = parameter._leaf or leaf, lost  # a write from outside stays
