"""Loading Parameters: every checksum is compared and every value checked before anything is changed. No code is run."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from itertools import accumulate, groupby
from pathlib import Path
from typing import Any, NamedTuple

from paragrad import registry
from paragrad.checkpoints.container import DTYPES, Blob, read
from paragrad.checkpoints.index import ALIGNED, FLAGS, INDEX, PACKED, Index, decoded
from paragrad.checkpoints.saving import SMALL, named
from paragrad.errors import DataError, UsageError
from paragrad.trace.described import LONGEST_NAME, Meta, checked_name
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
    found = _read(file)
    return _made(file, found) if into is None else _filled(file, named(into), found, strict)


def values(path: Any) -> dict[str, Any]:
    """The values of a checkpoint alone, arrays as read-only views of the file's bytes.

    Raises:
        DataError: as :func:`load`.
    """
    found = _read(Path(path))
    return dict(zip(found.keys, found.values, strict=True))


def _read(file: Path) -> Found:
    blobs = read(file)
    try:
        return _found(decoded(blobs[INDEX].data), blobs)
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError, re.error) as error:
        raise DataError(f"{file} holds no Parameters that can be read: {error or type(error).__name__}"[:400]) from error


class Found(NamedTuple):
    """What a file holds, in columns.

    Attributes:
        keys: where each value belongs.
        values: the values, arrays as views of the file's bytes.
        runs: (row, first, behind the last) of neighbours of one row.
        names: key to name, where it is another.
    """

    keys: list[str]
    values: list[Any]
    runs: list[tuple[_Row, int, int]]
    names: Mapping[str, str]


def _found(index: Index, blobs: Mapping[str, Blob]) -> Found:
    """Every value, as a view of the file's bytes where it is an array, checked by its space."""
    rows = [_Row(row) for row in index.rows]
    own, keys = set(index.own), index.keys
    pack, at, start = blobs[PACKED].data, 0, 0
    found = Found(keys, [], [], index.names)
    for number, run in groupby(index.row_of):
        row, end = rows[number], start + len(list(run))
        some = keys[start:end]
        if row.dtype is None:
            sizes = [index.sizes[key] for key in some]
        elif own:
            sizes = [0 if key in own else row.size for key in some]
        else:
            sizes = [row.size] * len(some)
        places = list(accumulate([size + -size % ALIGNED for size in sizes], initial=at))
        found.values.extend(_values(row, some, sizes, places, pack, blobs, own))
        found.runs.append((row, start, end))
        at, start = places[-1], end
    if at != len(pack) or len(own) + 2 != len(blobs):
        raise ValueError("the file holds values that the index does not name")
    return found


def _values(
    row: _Row, keys: list[str], sizes: list[int], places: list[int], pack: bytes, blobs: Mapping[str, Blob], own: set[str]
) -> Iterable[Any]:
    """The values of neighbours of one row."""
    import numpy

    array = numpy.ndarray
    if row.dtype is None:
        return [row.decoded(pack[at : at + size], size) for at, size in zip(places, sizes, strict=False)]
    shape, dtype = row.shape, row.dtype
    if row.free and own.isdisjoint(keys):
        return [array(shape, dtype, pack, at) for at in places[:-1]]  # a TypeError where the pack is too short
    return [
        row.placed(key, blobs[key]) if key in own else row.checked(array(shape, dtype, pack, at))
        for key, at in zip(keys, places, strict=False)
    ]


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

    def placed(self, key: str, blob: Blob) -> Any:
        """The array of a tensor of the file."""
        import numpy

        if (blob.dtype, tuple(blob.shape)) != (self.name, self.shape):
            raise ValueError(f"{key[:80]!r} is {blob.dtype} {tuple(blob.shape)}, the index says {self.name} {self.shape}")
        return self.checked(numpy.ndarray(self.shape, self.dtype, blob.data))

    def decoded(self, data: bytes, size: int) -> Any:
        """A value that is no array: nothing, or a byte 1 and the space's own bytes."""
        if len(data) != size:
            raise ValueError("the packed values are too short")
        if not data:
            return None
        if data[0] != 1 or self.space is None:
            raise ValueError("a value in an unknown form")
        return self.space.decode(data[1:])


def _made(file: Path, found: Found) -> dict[str, Parameter[Any]]:
    """New Parameters."""
    made: dict[str, Parameter[Any]] = {}
    new: Any = Parameter.__new__
    for row, start, end in found.runs:
        keys = found.keys[start:end]
        names = _names(file, [found.names.get(key, key) for key in keys]) if row.called else keys
        trained, *rest = row.flags
        for key, name, value in zip(keys, names, found.values[start:end], strict=True):
            meta = Meta()
            meta.space = row.space
            if row.called:
                meta.name = name
            else:
                meta.path = key
            if row.role is not None:
                meta.role = row.role
            if True in rest:
                meta.layerwise_parallel, meta.sliced, meta.is_init = rest
            made[key] = parameter = new(Parameter)
            parameter._begin(meta, trained, value)
    return made


def _names(file: Path, names: list[str]) -> list[str]:
    """The names of Parameters, checked together."""
    bare = list(map(str.strip, names))
    if bare != names or not all(bare) or max(map(len, bare)) > LONGEST_NAME:
        try:
            return list(map(checked_name, names))
        except ValueError as error:
            raise DataError(f"{file}: {error}") from error
    return bare


def _filled(file: Path, into: dict[str, Parameter[Any]], found: Found, strict: bool) -> dict[str, Parameter[Any]]:
    """Existing Parameters, all of them or none."""
    held = dict(zip(found.keys, found.values, strict=True))
    flags = {key: row.flags for row, start, end in found.runs for key in found.keys[start:end]}
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
        for flag, on in zip(FLAGS, flags[key], strict=True):
            if getattr(parameter, flag) is not on:
                setattr(parameter, flag, on)
    return chosen


def _fitting(file: Path, key: str, parameter: Parameter[Any], value: Any) -> Any:
    """The value as the Parameter keeps it."""
    if value is None:
        return None
    form = parameter._form()
    try:
        return parameter.checked(value) if form is None else parameter.space.fitted(value, form)[0]
    except (TypeError, ValueError) as error:
        raise DataError(f"{file}: {key!r} does not fit its Parameter: {error}; nothing was changed") from error
