"""Saving Parameters: values, names, spaces, roles and flags, in one file, whole or not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

from paragrad.checkpoints.container import DIGESTS, Blob, write
from paragrad.checkpoints.index import INDEX, PACKED, Index, joined
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
_DESCRIPTION = attrgetter("space", "role", "layerwise_parallel", "sliced", "is_init")
_TRAINED = attrgetter("_trained")


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
    for key, parameter in found.items():
        if not isinstance(parameter, Parameter) or not isinstance(key, str):
            raise TypeError(f"{brief(key)}: {brief(parameter)} of type {type(parameter).__name__} is no Parameter under a text key")
    return found


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


class _Rows:
    """The rows met so far, and how many bytes an array of each has; -1 where the value is no array."""

    def __init__(self) -> None:
        self.rows: list[Any] = []
        self.sizes: list[int] = []
        self._found: dict[Any, int] = {}
        self._spaces: list[Any] = []  # held, so that no id of one is used again

    def number(self, described: tuple[Any, ...], trained: bool, named: bool, value: Any) -> int:
        """The row of a value, made when it is a new one."""
        space, role, *flags = described
        array = hasattr(value, "tobytes") and hasattr(space, "form")
        form = (value.dtype.char, value.shape) if array else None
        row = (id(space), form, role, (trained, *flags), named)
        number = self._found.get(row)
        if number is None:
            self._found[row] = number = len(self.rows)
            self._spaces.append(space)
            dtype, shape = (value.dtype.name, value.shape) if array else (None, ())
            self.rows.append((None if space is None else dict(space.spec()), dtype, shape, *row[2:]))
            self.sizes.append(value.nbytes if array else -1)
        return number


def _blobs(parameters: Mapping[str, Parameter[Any]]) -> list[Blob]:
    """The tensors of the file: large arrays, the packed rest, the index."""
    index, rows = Index(keys=list(parameters)), _Rows()
    every = list(parameters.values())
    metas = [parameter._meta for parameter in every]
    names = [meta.name for meta in metas]
    if STATE.get().overlay is None:  # an array that nobody has read yet stays without a cell
        firsts = [meta.start for meta in metas]
        values = [
            first if first is not None else leaf.value if (leaf := parameter._leaf) is not None else parameter._n.value
            for first, parameter in zip(firsts, every, strict=True)
        ]
    else:
        values = [parameter._n.value for parameter in every]
    last: Any = None  # neighbours are mostly of one description: compared with the value before, without a look at the rows
    trained, dtype, shape, number, unnamed = True, None, None, 0, True
    columns = zip(values, map(_DESCRIPTION, metas), map(_TRAINED, every), names, strict=True)
    for place, (value, described, on, name) in enumerate(columns):
        if dtype is None or not (
            described == last and on is trained and (name is None) is unnamed and value.dtype is dtype and value.shape == shape
        ):
            last, trained, unnamed = described, on, name is None
            number = rows.number(described, on, not unnamed, value)
            dtype, shape = None, None
            if rows.sizes[number] < 0:
                values[place] = _encoded(index.keys[place], described[0], value)
                index.sizes[index.keys[place]] = len(values[place])
            else:
                dtype, shape = value.dtype, value.shape
        index.row_of.append(number)
    if names != index.keys:
        index.names = {key: name for key, name in zip(index.keys, names, strict=True) if name is not None and name != key}
    index.rows = rows.rows
    return _placed(index, values, rows.sizes)


def _encoded(key: str, space: Any, value: Any) -> bytes:
    if value is None:
        return b""
    if not getattr(space, "has_bytes", True):
        raise UsageError(f"{key!r} is kept by reference ({space.kind}) and has no bytes; leave it out of the checkpoint")
    encoded: bytes = b"\1" + space.encode(value)
    return encoded


def _placed(index: Index, values: list[Any], sizes: list[int]) -> list[Blob]:
    """Large arrays as tensors of their own, those with the largest elements first, so that each is aligned; the rest packed."""
    small = sum(count for number, count in Counter(index.row_of).items() if 0 <= sizes[number] < SMALL)
    least = SMALL if small >= MANY else 0
    own: list[tuple[str, Any]] = []
    rest: list[Any] = []
    start = 0
    for number, run in groupby(index.row_of):
        end = start + len(list(run))
        size, keys, some = sizes[number], index.keys[start:end], values[start:end]
        if size < 0:
            rest += some
        elif size < least:
            rest += _packed(some, size)
        else:
            own += [(key, value) for key, value in zip(keys, some, strict=True) if key not in _TAKEN]
            rest += [value.tobytes() for key, value in zip(keys, some, strict=True) if key in _TAKEN]
        start = end
    own.sort(key=lambda pair: -pair[1].dtype.itemsize)
    index.own = [key for key, _ in own]
    blobs = [Blob(key, array.dtype.name, array.shape, _bytes(array), array.nbytes) for key, array in own]
    pack = joined(rest)
    table = index.encode()
    return [*blobs, Blob(PACKED, "uint8", (len(pack),), pack, len(pack)), Blob(INDEX, "uint8", (len(table),), table, len(table))]


def _packed(arrays: list[Any], size: int) -> list[bytes]:
    """The bytes of arrays of one size, mostly the very objects that hold their elements."""
    bases = [array.base for array in arrays]
    if set(map(type, bases)) == {bytes} and set(map(len, bases)) == {size} and all([array.flags.c_contiguous for array in arrays]):
        return bases
    return [array.tobytes() for array in arrays]


def _bytes(array: Any) -> Any:
    """The array's bytes, without a copy where it has them in order."""
    return array.reshape(-1).view("uint8").data if array.flags.c_contiguous and array.size else array.tobytes()
