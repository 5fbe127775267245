"""Arrays of any library as read-only numpy copies, and their bytes. numpy is imported on first use, torch never."""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from paragrad.spaces.plain import short

LADDER = ("bool", "int8", "uint8", "int16", "int32", "int64", "float16", "float32", "float64")
"""Types in the order of widening; ``uint16``, ``uint32`` and ``uint64`` follow numpy's safe casts."""

DTYPES = (*LADDER, "uint16", "uint32", "uint64")
"""Every element type a Tensor may have, of the same size on every machine."""

_KNOWN = frozenset(DTYPES)
_MAGIC = b"PGT1"
_DIGEST = 32


@cache
def ndarray() -> Any:
    """numpy's class of arrays; numpy is imported when the first value asks for it."""
    from numpy import ndarray as found

    return found


def is_array(value: Any) -> bool:
    """Whether a value is a numpy array or scalar, or a torch tensor; told by its type's module, so nothing is imported."""
    module = type(value).__module__.partition(".")[0]
    return module in ("numpy", "torch") and hasattr(value, "dtype") and hasattr(value, "shape")


def is_lazy(value: Any) -> bool:
    """Whether a value is an initializer that makes its array only when asked."""
    return hasattr(type(value), "materialize")


def array_of(value: Any, dtype: str | None = None) -> Any:
    """A read-only, C-contiguous numpy copy of a tensor, an array, a number or nested lists; what nobody can change is not copied.

    Args:
        value: arrays keep their type; lists and numbers get int64, float64 or bool, or ``dtype`` when it can hold them.
        dtype: the wanted element type; an array may be widened to it, never narrowed.

    Raises:
        TypeError: no numbers, an element type without bytes of fixed size, or narrowing.
        ValueError: ragged lists.
    """
    made = value if value.__class__ is ndarray() else _numpy(value)
    kind = made.dtype
    name = _NAMES.get(kind.num) or name_of(kind)
    if kind.isnative and (dtype == name or dtype is None) and name in _KNOWN:
        return value if type(made.base) is bytes and is_value(value) else settled(made)
    if name not in DTYPES:
        raise TypeError(f"data: {_unknown(made.dtype)}; the element types are {', '.join(DTYPES)}")
    wanted = dtype or name
    if not (widens(name, wanted) or (not is_array(value) and fits(made, wanted))):
        raise TypeError(f"data: {name} does not fit {wanted} without loss; write value.astype({wanted!r}) if that is meant")
    import numpy

    with numpy.errstate(over="ignore"):
        kept = numpy.asarray(made, dtype=wanted)
    if made.dtype.kind == "f" and bool((numpy.isinf(kept) & ~numpy.isinf(made)).any()):
        raise ValueError(f"data: a number is too large for {wanted}: {short(value)}")
    return settled(kept)


def settled(array: Any) -> Any:
    """A copy that nobody can ever change: its memory is a ``bytes`` object."""
    return ndarray()(array.shape, array.dtype, array.tobytes())


def copied(value: Any, shape: tuple[int, ...] | None, dtype: str | None) -> Any:
    """What ``array_of`` makes of an array of exactly that form; None where more than a look at it is needed."""
    kind = ndarray()
    if value.__class__ is not kind or value.shape != shape:
        return None
    found = value.dtype
    if _NAMES.get(found.num) != dtype or dtype is None or not found.isnative or value.base.__class__ is bytes:
        return None
    return kind(shape, found, value.tobytes())


def is_value(value: Any) -> bool:
    """Whether an array is one that nobody can change, so that it need not be copied."""
    return type(getattr(value, "base", None)) is bytes and is_array(value) and _in_order(value)


def made_by(lazy: Any, dtype: str | None = None) -> Any:
    """The array of an initializer; one that it hands over read-only is its gift and is not copied."""
    array = lazy.materialize()
    gift = is_array(array) and not getattr(getattr(array, "flags", None), "writeable", True) and _in_order(array)
    return array if gift and (dtype is None or name_of(array.dtype) == dtype) else array_of(array, dtype)


def _in_order(array: Any) -> bool:
    return bool(array.flags.c_contiguous and array.flags.aligned and array.dtype.isnative)


def name_of(dtype: Any) -> str:
    """The name of an element type, remembered by its number: numpy makes it anew each time."""
    name = _NAMES.get(dtype.num)
    if name is None:
        name = str(dtype.name)
        if name in DTYPES:
            _NAMES[dtype.num] = name
    return name


_NAMES: dict[int, str] = {}


def widens(source: str, target: str) -> bool:
    """Whether every step from ``source`` to ``target`` goes up the ladder."""
    if source in LADDER and target in LADDER:
        return LADDER.index(source) <= LADDER.index(target)
    import numpy

    return bool(numpy.can_cast(source, target, "safe"))


def fits(made: Any, dtype: str) -> bool:
    """Whether Python numbers, as numpy read them, can be of ``dtype``: floats of any float type, ints of one that holds them all."""
    import numpy

    kind = numpy.dtype(dtype).kind
    if made.dtype.kind == "f" or kind == "f":
        return kind == "f" and made.dtype.kind != "b"
    if made.dtype.kind == "b" or kind == "b":
        return False
    bounds = numpy.iinfo(dtype)
    return not made.size or (int(made.min()) >= bounds.min and int(made.max()) <= bounds.max)


def to_bytes(array: Any) -> bytes:
    """Magic, header length, JSON header (dtype, shape), little-endian elements in C order, SHA-256 of all before."""
    little = array.dtype.newbyteorder("<")
    header = json.dumps({"dtype": array.dtype.name, "shape": list(array.shape)}, separators=(",", ":")).encode()
    elements: bytes = array.astype(little, copy=False).tobytes("C")
    body = _MAGIC + struct.pack("<I", len(header)) + header + elements
    return body + hashlib.sha256(body).digest()


def from_bytes(data: bytes) -> Any:
    """The array of ``to_bytes``.

    Raises:
        ValueError: foreign, damaged or cut bytes.
    """
    if len(data) < len(_MAGIC) + 4 + _DIGEST or data[:4] != _MAGIC:
        raise ValueError(f"these {len(data)} bytes are no array of this library")
    body, digest = data[:-_DIGEST], data[-_DIGEST:]
    if hashlib.sha256(body).digest() != digest:
        raise ValueError("the array's bytes do not match their digest; they were damaged or cut")
    (size,) = struct.unpack("<I", body[4:8])
    dtype, shape = _header(body[8 : 8 + size])
    return _elements(body[8 + size :], dtype, shape)


def dtype_name(dtype: Any) -> str:
    """The name of an element type given as a text or as numpy's, torch's or Python's type.

    Raises:
        TypeError: none that a Tensor may have.
    """
    if dtype.__class__ is str and dtype in _KNOWN:
        return str(dtype)
    name = _NAMES.get(getattr(dtype, "num", -1))
    if name is not None:
        return name
    if hasattr(dtype, "num") and name_of(dtype) in _KNOWN:
        return name_of(dtype)
    name = {float: "float64", int: "int64", bool: "bool"}.get(dtype) if isinstance(dtype, type) else None
    name = name or getattr(dtype, "__name__", None) or getattr(dtype, "name", None) or str(dtype).rpartition(".")[2]
    name = str(name).lower().removesuffix("_")
    if name not in DTYPES:
        raise TypeError(f"{_unknown(dtype)}; the element types are {', '.join(DTYPES)}")
    return name


_OTHERS = {"U": "texts", "S": "bytes", "O": "Python objects", "c": "complex numbers", "M": "dates", "m": "time spans", "V": "records"}


def _unknown(dtype: Any) -> str:
    """Why an element type is none: what numpy's kinds hold in words, any other by its name."""
    kind = _OTHERS.get(getattr(dtype, "kind", ""))
    return f"dtype {dtype} holds {kind}, not numbers a Tensor may have" if kind else f"dtype {short(dtype)} is not known"


def _numpy(value: Any) -> Any:
    import numpy

    if type(value).__module__.partition(".")[0] == "torch":
        return _from_torch(value)
    if hasattr(value, "mask"):
        raise TypeError("data: a masked array would lose its mask; write value.filled(...)")
    if isinstance(value, str | bytes) or not (is_array(value) or isinstance(value, int | float | Sequence)):
        raise TypeError(f"data: {type(value).__name__} is not an array: {short(value)}; write numpy.asarray(value)")
    try:
        return numpy.asarray(value)
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise ValueError(f"data: the lists have unequal lengths or elements that are no numbers: {short(value)}") from None


def _from_torch(value: Any) -> Any:
    try:
        return value.detach().cpu().resolve_conj().resolve_neg().numpy()
    except (TypeError, RuntimeError, AttributeError) as error:
        reason = f"a torch tensor of {getattr(value, 'dtype', '?')} has no numpy form ({str(error)[:100]})"
        raise TypeError(f"data: {reason}; write value.float()") from None


def _header(text: bytes) -> tuple[str, tuple[int, ...]]:
    try:
        header = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("the array's header is not JSON") from None
    if not isinstance(header, Mapping) or header.get("dtype") not in DTYPES or not isinstance(header.get("shape"), list):
        raise ValueError(f"the array's header lacks a known dtype and a shape: {short(header)}")
    shape = header["shape"]
    if len(shape) > 32 or any(isinstance(size, bool) or not isinstance(size, int) or size < 0 for size in shape):
        raise ValueError(f"the array's header has no shape: {short(shape)}")
    return header["dtype"], tuple(shape)


def _elements(body: bytes, dtype: str, shape: tuple[int, ...]) -> Any:
    import numpy

    little = numpy.dtype(dtype).newbyteorder("<")
    if len(body) != math.prod(shape) * little.itemsize:
        needed = math.prod(shape) * little.itemsize
        raise ValueError(f"the array has {len(body)} bytes of elements, {dtype} {shape} needs {needed}")
    return numpy.frombuffer(body, dtype=little).reshape(shape)
