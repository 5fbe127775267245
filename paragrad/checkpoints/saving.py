"""Saving Parameters: values, names, spaces, roles and flags, in one file, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from paragrad.checkpoints.container import DIGESTS, Blob, write
from paragrad.checkpoints.index import INDEX, PACKED, Index, joined
from paragrad.errors import UsageError
from paragrad.trace.module import Module
from paragrad.trace.parameter import Parameter
from paragrad.trace.values import brief

SMALL = 16 * 1024
"""Bytes below which an array is packed with others, where there are many."""
MANY = 100
"""Small arrays from which on they are packed; fewer stay tensors of their own, which other readers of safetensors understand."""
_TAKEN = frozenset({INDEX, PACKED, "__metadata__"})


def save(parameters: Any, path: Any, *, digest: str = "crc32") -> None:
    """Write Parameters to ``path``, a safetensors file. The old file is never removed: the new one takes its place when it is complete.

    Args:
        parameters: a Module, ``{key: Parameter}``, or Parameters in a list (then named, and the names are the keys).
        path: the file.
        digest: "crc32" finds damage. "sha256" adds digests to compare with others kept elsewhere, at a third of the speed.

    Raises:
        UsageError: no Parameters, one without a name, or two with one name.
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


def _blobs(parameters: Mapping[str, Parameter[Any]]) -> list[Blob]:
    """The tensors of the file: large arrays, the packed rest, the index."""
    index = Index()
    rows: dict[Any, int] = {}
    values: list[Any] = []
    spaces: list[Any] = []  # held, so that no id of one is used again
    for key, parameter in parameters.items():
        node: Any = parameter._n
        meta, value = parameter._meta, node.value
        space, name, role = meta.space, meta.name, meta.role
        array = hasattr(value, "tobytes") and hasattr(space, "form")
        form = (value.dtype.char, value.shape) if array else None
        flags = (parameter._trained, meta.layerwise_parallel, meta.sliced, meta.is_init)
        row = (id(space), form, role, flags, name is not None)
        number = rows.get(row)
        if number is None:
            rows[row] = number = len(rows)
            spaces.append(space)
            dtype, shape = (value.dtype.name, value.shape) if array else (None, ())
            index.rows.append((None if space is None else dict(space.spec()), dtype, shape, *row[2:]))
        index.keys.append(key)
        index.row_of.append(number)
        if name != key and name is not None:
            index.names[key] = name
        if not array:
            value = _encoded(key, space, value)
            index.sizes[key] = len(value)
        values.append(value)
    return _placed(index, values)


def _encoded(key: str, space: Any, value: Any) -> bytes:
    if value is None:
        return b""
    if not getattr(space, "has_bytes", True):
        raise UsageError(f"{key!r} is kept by reference ({space.kind}) and has no bytes; leave it out of the checkpoint")
    encoded: bytes = b"\1" + space.encode(value)
    return encoded


def _placed(index: Index, values: list[Any]) -> list[Blob]:
    """Large arrays as tensors of their own, those with the largest elements first, so that each is aligned; the rest packed."""
    small = sum(type(value) is not bytes and value.nbytes < SMALL for value in values)
    least = SMALL if small >= MANY else 0
    own: list[tuple[str, Any]] = []
    rest: list[Any] = []
    for key, value in zip(index.keys, values, strict=True):
        if type(value) is bytes:
            rest.append(value)
        elif value.nbytes < least or key in _TAKEN:
            rest.append(_bytes(value))
        else:
            own.append((key, value))
    own.sort(key=lambda pair: -pair[1].dtype.itemsize)
    index.own = [key for key, _ in own]
    blobs = [Blob(key, array.dtype.name, array.shape, _bytes(array), array.nbytes) for key, array in own]
    pack = joined(rest)
    table = index.encode()
    return [*blobs, Blob(PACKED, "uint8", (len(pack),), pack, len(pack)), Blob(INDEX, "uint8", (len(table),), table, len(table))]


def _bytes(array: Any) -> Any:
    """The array's bytes, without a copy where it has them already."""
    base = array.base
    if type(base) is bytes and len(base) == array.nbytes and array.flags.c_contiguous:
        return base
    return array.tobytes() if array.nbytes < SMALL or not array.flags.c_contiguous else array.reshape(-1).view("uint8").data
