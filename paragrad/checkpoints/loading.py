"""Loading Parameters: every checksum is compared and every value checked before anything is changed. No code is run."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from paragrad import registry
from paragrad.checkpoints.container import DTYPES, Blob, read
from paragrad.checkpoints.index import ALIGNED, FLAGS, INDEX, PACKED, Index, decoded
from paragrad.checkpoints.saving import SMALL, named
from paragrad.errors import DataError, UsageError
from paragrad.trace.described import Meta, checked_name
from paragrad.trace.overlay import transaction
from paragrad.trace.parameter import Parameter
from paragrad.trace.state import STATE


def load(path: Any, into: Any = None, *, strict: bool = True) -> dict[str, Parameter[Any]]:
    """Read what :func:`~paragrad.checkpoints.save` wrote.

    Args:
        path: the file.
        into: a Module, ``{key: Parameter}`` or a list of Parameters that take the values and flags; None makes new Parameters.
            Deferred ones never make their own first values.
        strict: whether file and ``into`` must hold the same keys; else what both hold is loaded.

    Returns:
        Key to Parameter: what was loaded.

    Raises:
        DataError: a missing, foreign, newer, cut or damaged file, or values that do not fit ``into``; nothing is changed.
        UsageError: keys that only one side has.
    """
    file = Path(path)
    entries = _read(file)
    return _made(file, entries) if into is None else _filled(file, named(into), entries, strict)


def values(path: Any) -> dict[str, Any]:
    """The values of a checkpoint alone, arrays as read-only views of the file's bytes.

    Raises:
        DataError: as :func:`load`.
    """
    return {entry.key: entry.value for entry in _read(Path(path))}


def _read(file: Path) -> list[Entry]:
    blobs = read(file)
    try:
        return _entries(decoded(blobs[INDEX].data), blobs)
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError, re.error) as error:
        raise DataError(f"{file} holds no Parameters that can be read: {error or type(error).__name__}"[:400]) from error


class Entry(NamedTuple):
    """One value of the file, and what it belongs to."""

    key: str
    space: Any
    value: Any
    role: str | None
    flags: tuple[bool, ...]
    name: str | None


def _entries(index: Index, blobs: Mapping[str, Blob]) -> list[Entry]:
    """Every value, as a view of the file's bytes where it is an array, checked by its space."""
    import numpy

    array, found = numpy.ndarray, []
    rows = [_Row(row) for row in index.rows]
    own = set(index.own)
    pack, at = blobs[PACKED].data, 0
    for key, number in zip(index.keys, index.row_of, strict=True):
        row = rows[number]
        if row.dtype is None:
            size = index.sizes[key]
            value = row.decoded(pack[at : at + size], size)
        elif key in own:
            size, blob = 0, blobs[key]
            value = row.checked(array(row.shape, row.dtype, blob.data))
            if (blob.dtype, tuple(blob.shape)) != (row.name, row.shape):
                raise ValueError(f"{key[:80]!r} is {blob.dtype} {tuple(blob.shape)}, the index says {row.name} {row.shape}")
        else:
            size = row.size
            value = array(row.shape, row.dtype, pack, at)  # a TypeError where the pack is too short
            if not row.free:
                value = row.checked(value)
        at += size + -size % ALIGNED
        found.append(Entry(key, row.space, value, row.role, row.flags, index.names.get(key, key) if row.called else None))
    if at != len(pack) or len(own) + 2 != len(blobs):
        raise ValueError("the file holds values that the index does not name")
    return found


class _Row:
    """A row of the index, ready to make values."""

    space: Any

    def __init__(self, row: tuple[Any, ...]) -> None:
        import numpy

        spec, self.name, self.shape, self.role, self.flags, self.called = row
        self.space = None if spec is None else registry.spaces.get(spec["kind"]).from_spec(spec)
        self.dtype = None if self.name is None else numpy.dtype(self.name)
        self.size, self.free = 0, False
        if self.dtype is None:
            return
        if self.name not in DTYPES or not hasattr(self.space, "form"):
            raise ValueError(f"an array of {self.name} in {self.space!r}"[:200])
        self.size = math.prod(self.shape) * self.dtype.itemsize
        self.free = getattr(self.space, "decided_by_form", False)
        if self.free:
            self.free = self.size < SMALL and self.space.check(numpy.zeros(self.shape, self.dtype)) is not None

    def checked(self, array: Any) -> Any:
        """The array as a value of the space."""
        return self.space.check(array)

    def decoded(self, data: bytes, size: int) -> Any:
        """A value that is no array: nothing, or a byte 1 and the space's own bytes."""
        if len(data) != size:
            raise ValueError("the packed values are too short")
        if not data:
            return None
        if data[0] != 1 or self.space is None:
            raise ValueError("a value in an unknown form")
        return self.space.decode(data[1:])


def _made(file: Path, entries: list[Entry]) -> dict[str, Parameter[Any]]:
    """New Parameters."""
    try:
        return {entry.key: _parameter(entry) for entry in entries}
    except ValueError as error:
        raise DataError(f"{file}: {error}") from error


def _parameter(entry: Entry) -> Parameter[Any]:
    meta = Meta()
    if entry.name is not None:
        meta.name = checked_name(entry.name)
    else:
        meta.path = entry.key
    meta.space = entry.space
    if entry.role is not None:
        meta.role = entry.role
    trained, *rest = entry.flags
    if True in rest:
        meta.layerwise_parallel, meta.sliced, meta.is_init = rest
    parameter: Parameter[Any] = Parameter.__new__(Parameter)
    parameter._begin(meta, trained, entry.value)
    return parameter


def _filled(file: Path, into: dict[str, Parameter[Any]], entries: list[Entry], strict: bool) -> dict[str, Parameter[Any]]:
    """Existing Parameters, all of them or none."""
    held = {entry.key: entry for entry in entries}
    missing, unknown = sorted(set(into) - set(held)), sorted(set(held) - set(into))
    if strict and (missing or unknown):
        raise UsageError(f"{file} does not fit: it lacks {missing[:5]} and holds {unknown[:5]}; pass strict=False to load what fits")
    chosen = {key: parameter for key, parameter in into.items() if key in held}
    new = {key: _fitting(file, key, parameter, held[key]) for key, parameter in chosen.items()}
    waiting = STATE.get().overlay is None
    now = {key for key, parameter in chosen.items() if waiting and parameter._meta.pending is not None}
    with transaction():
        for key in chosen:
            if key not in now and new[key] is not None:
                chosen[key].write(new[key])
    for key in now:  # private and never read: nobody can see half of it, and writing cannot fail
        chosen[key].write(new[key])
    for key, parameter in chosen.items():
        for flag, on in zip(FLAGS, held[key].flags, strict=True):
            if getattr(parameter, flag) is not on:
                setattr(parameter, flag, on)
    return chosen


def _fitting(file: Path, key: str, parameter: Parameter[Any], entry: Entry) -> Any:
    """The value as the Parameter keeps it."""
    if entry.value is None:
        return None
    form = parameter._form()
    try:
        return parameter.checked(entry.value) if form is None else parameter.space.fitted(entry.value, form)[0]
    except (TypeError, ValueError) as error:
        raise DataError(f"{file}: {key!r} does not fit its Parameter: {error}; nothing was changed") from error
