"""Saving Parameters: values, names, spaces, roles and flags, in one file, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import groupby, repeat
from operator import attrgetter, eq, is_
from pathlib import Path
from typing import Any, NamedTuple

from paragrad.checkpoints.container import DIGESTS, Blob, write
from paragrad.checkpoints.index import FLAGS, INDEX, PACKED, Index, aligned, joined
from paragrad.errors import UsageError
from paragrad.trace.module import Module
from paragrad.trace.parameter import Parameter
from paragrad.trace.state import STATE
from paragrad.trace.values import brief

SMALL = 16 * 1024
"""Bytes below which an array is packed with others, where there are many."""
MANY = 100
"""Small arrays from which on they are packed; fewer stay tensors of their own, which other readers of safetensors understand."""
_TAKEN = frozenset({INDEX, PACKED, "__metadata__"})
_DESCRIPTION = attrgetter("space", "role", *FLAGS[1:])
_ARRAY = attrgetter("__class__", "dtype", "shape")
_unnamed = partial(is_, None)


def save(parameters: Any, path: Any, *, digest: str = "crc32") -> None:
    """Write Parameters to ``path``, a safetensors file. The old file is never removed: the new one takes its place when it is complete.

    Args:
        parameters: a Module, ``{key: Parameter}``, or Parameters in a list (then named, and the names are the keys).
        path: the file.
        digest: "crc32" finds damage. "sha256" adds digests to compare with others kept elsewhere, at a third of the speed.

    Raises:
        UsageError: one without a name, or two with one name.
        DataError: the file cannot be written; the old one is as it was.
    """
    if digest not in DIGESTS:
        raise UsageError(f"digest must be one of {', '.join(DIGESTS)}, got {digest!r}")
    blobs = _blobs(named(parameters))
    write(Path(path), blobs, tuple(dict.fromkeys(("crc32", digest))))


def named(parameters: Any) -> dict[str, Parameter[Any]]:
    """Key to Parameter.

    Raises:
        UsageError: see :func:`save`. TypeError: something else than Parameters.
    """
    if isinstance(parameters, Module):
        return parameters.named_parameters()
    if isinstance(parameters, Parameter):
        parameters = [parameters]
    if isinstance(parameters, Mapping):
        found = dict(parameters)
    elif isinstance(parameters, Iterable) and not isinstance(parameters, (str, bytes)):
        found = _by_name(parameters)
    else:
        raise TypeError(f"a checkpoint is of a Module, {{key: Parameter}} or a list of Parameters, not {brief(parameters)}")
    if not all(issubclass(kind, Parameter) for kind in set(map(type, found.values()))) or not all(
        issubclass(kind, str) for kind in set(map(type, found))
    ):
        raise _foreign(found)
    return found


def _foreign(found: Mapping[Any, Any]) -> TypeError:
    key, parameter = next((key, one) for key, one in found.items() if not isinstance(one, Parameter) or not isinstance(key, str))
    return TypeError(f"{brief(key)}: {brief(parameter)} of type {type(parameter).__name__} is no Parameter under a text key")


def _by_name(parameters: Iterable[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for place, parameter in enumerate(parameters):
        if not isinstance(parameter, Parameter):
            raise TypeError(f"element {place} is {brief(parameter)} of type {type(parameter).__name__}, not a Parameter")
        if not (parameter._meta.name or parameter._meta.path):
            raise UsageError(f"Parameter {place} has no name, so that a reader could not find it again; give it name=...")
        if found.setdefault(parameter.id, parameter) is not parameter:
            raise UsageError(f"two different Parameters are called {parameter.id!r}; give them names of their own")
    return found


class _Run(NamedTuple):
    """Neighbours of one description: their row, the first, the one behind the last, and the bytes of each; -1 where they are no arrays."""

    row: int
    start: int
    end: int
    size: int


def _blobs(parameters: Mapping[str, Parameter[Any]]) -> list[Blob]:
    """The tensors of the file: large arrays, the packed rest, the index."""
    index = Index(keys=list(parameters))
    every = list(parameters.values())
    metas = [parameter._meta for parameter in every]
    names = [meta.name for meta in metas]
    values = _values(every, metas)
    runs = _runs(index, values, every, metas, names)
    for row, start, end, size in runs:
        index.row_of += [row] * (end - start)
        if size < 0:
            space = metas[start].space
            values[start:end] = [_encoded(key, space, value) for key, value in zip(index.keys[start:end], values[start:end], strict=True)]
            index.sizes.update(zip(index.keys[start:end], map(len, values[start:end]), strict=True))
    if names != index.keys:
        index.names = {key: name for key, name in zip(index.keys, names, strict=True) if name is not None and name != key}
    return _placed(index, values, runs)


def _values(every: list[Any], metas: list[Any]) -> list[Any]:
    """The values in the current context; an array that nobody has read yet stays without a cell."""
    if STATE.get().overlay is not None:
        return [parameter._n.value for parameter in every]
    firsts = [meta.start for meta in metas]
    return [
        first if first is not None else leaf.value if (leaf := parameter._leaf) is not None else parameter._n.value
        for first, parameter in zip(firsts, every, strict=True)
    ]


def _neighbours(values: list[Any], every: list[Any], metas: list[Any], names: list[str | None]) -> Iterator[tuple[int, int]]:
    """The first and the one behind the last of neighbours of one description.

    What is the same throughout, which most is, is looked at once and not compared again. Each object is visited once, as
    memory is what takes the time, and nothing is kept of it: ten thousand tuples would start the garbage collector.
    """
    arrays = all(hasattr(kind, "dtype") and hasattr(kind, "shape") for kind in set(map(type, values)))
    columns: list[tuple[Callable[[Any], Any], list[Any]]] = [(_ARRAY if arrays else _form, values), (_DESCRIPTION, metas)]
    columns += [(attrgetter("_trained"), every), (_unnamed, names)]
    varying = [map(get, of) for get, of in columns if of and not all(map(eq, map(get, of), repeat(get(of[0]))))]
    start = 0
    for _, run in groupby(zip(*varying, strict=True)):
        end = start + sum(1 for _ in run)
        yield start, end
        start = end
    if start < len(values):
        yield start, len(values)


def _form(value: Any) -> tuple[Any, ...]:
    """As ``_ARRAY``, of any value. The type comes first: an element type equals None for numpy."""
    return type(value), getattr(value, "dtype", None), getattr(value, "shape", None)


def _runs(index: Index, values: list[Any], every: list[Any], metas: list[Any], names: list[str | None]) -> list[_Run]:
    """Neighbours of one description, and their rows, each once."""
    rows: dict[Any, int] = {}
    runs: list[_Run] = []
    for start, end in _neighbours(values, every, metas, names):
        value, meta = values[start], metas[start]
        space, role, *flags = _DESCRIPTION(meta)
        array = hasattr(value, "tobytes") and hasattr(space, "form")
        form = (value.dtype.char, value.shape) if array else None
        row = (id(space), form, role, (every[start]._trained, *flags), names[start] is not None)
        number = rows.setdefault(row, len(rows))
        if number == len(index.rows):
            dtype, shape = (value.dtype.name, value.shape) if array else (None, ())
            index.rows.append((None if space is None else dict(space.spec()), dtype, shape, *row[2:]))
        runs.append(_Run(number, start, end, value.nbytes if array else -1))
    return runs


def _encoded(key: str, space: Any, value: Any) -> bytes:
    if value is None:
        return b""
    if not getattr(space, "has_bytes", True):
        raise UsageError(f"{key!r} is kept by reference ({space.kind}) and has no bytes; leave it out of the checkpoint")
    encoded: bytes = b"\1" + space.encode(value)
    return encoded


def _placed(index: Index, values: list[Any], runs: list[_Run]) -> list[Blob]:
    """Large arrays as tensors of their own, those with the largest elements first, so that each is aligned; the rest packed."""
    small = sum(run.end - run.start for run in runs if 0 <= run.size < SMALL)
    least = SMALL if small >= MANY else 0
    own: list[tuple[str, Any]] = []
    rest: list[Any] = []
    for _, start, end, size in runs:
        keys, some = index.keys[start:end], values[start:end]
        if size >= least:
            own += [(key, value) for key, value in zip(keys, some, strict=True) if key not in _TAKEN]
            some = [value for key, value in zip(keys, some, strict=True) if key in _TAKEN]
        rest += aligned(some, size)
    own.sort(key=lambda pair: -pair[1].dtype.itemsize)
    index.own = [key for key, _ in own]
    blobs = [Blob(key, array.dtype.name, array.shape, _bytes(array), array.nbytes) for key, array in own]
    pack = joined(rest)
    table = index.encode()
    return [*blobs, Blob(PACKED, "uint8", (len(pack),), pack, len(pack)), Blob(INDEX, "uint8", (len(table),), table, len(table))]


def _bytes(array: Any) -> Any:
    """The array's bytes, without a copy where it has them in order."""
    return array.reshape(-1).view("uint8").data if array.flags.c_contiguous and array.size else array.tobytes()
