"""Which space a plain value belongs to."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from paragrad.protocols.data import Demo
from paragrad.protocols.space import Space
from paragrad.spaces.arrays import array_of, dtype_name, is_array, is_lazy, ndarray
from paragrad.spaces.choice import Choice
from paragrad.spaces.code import Code, imported
from paragrad.spaces.demos import Demos
from paragrad.spaces.json import Json
from paragrad.spaces.list import List
from paragrad.spaces.number import Number
from paragrad.spaces.plain import short
from paragrad.spaces.source import header_of, source_of
from paragrad.spaces.tensor import Tensor
from paragrad.spaces.text import Text

_TEXT, _BOOL, _INT, _FLOAT = Text(), Choice([False, True]), Number(integer=True), Number()
_JSON, _LIST, _ARRAY = Json(), List(), Tensor()
_PLAIN: Mapping[type, Space[Any]] = {str: _TEXT, bool: _BOOL, int: _INT, float: _FLOAT}


def space_for(value: Any, *, parameter: bool = False) -> Space[Any] | None:
    """The space of a value by its type; None for None, whose space is settled by the first assignment.

    ========================================  =====================================================
    text                                      Text()
    bool                                      Choice([False, True])
    int; float                                Number(integer=True); Number()
    array, torch tensor, initializer          Tensor(), of its shape and dtype for a Parameter
    list of numbers, also nested              the same for a Parameter; List() otherwise
    list of Demo                              Demos(max_shots=4), or as many as there are
    function                                  Code of its own signature and imports
    mapping                                   Json()
    other list or tuple                       List()
    ========================================  =====================================================

    The elements of containers are checked by the space's ``check``.

    Args:
        value: the value.
        parameter: whether it is a Parameter's; then a Tensor keeps its shape and dtype, and lists of numbers are Tensors.

    Raises:
        TypeError: any other type; the message says what to write.
    """
    if value is None:
        return None
    if parameter:  # arrays first, because there may be thousands
        if hasattr(value, "dtype") and value.__class__ is ndarray():
            return _tensor_of(value.shape, dtype_name(value.dtype))
        if is_lazy(value):
            return _tensor(value)
    known = _PLAIN.get(type(value))
    if known is not None:
        return known
    if isinstance(value, str):
        return _TEXT
    if isinstance(value, numbers.Real):
        return _INT if isinstance(value, numbers.Integral) else _FLOAT
    if is_array(value) or is_lazy(value):
        return _tensor(value) if parameter else _ARRAY
    if isinstance(value, Mapping):
        return _JSON
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        return _sequence(value, parameter)
    if callable(value):
        return _code(value)
    raise TypeError(f"data: {type(value).__name__} has no space of its own: {short(value)}; {_advice(value)}")


def _tensor(value: Any) -> Tensor:
    return _tensor_of(tuple(value.shape), dtype_name(value.dtype))


@lru_cache(maxsize=1024)
def _tensor_of(shape: tuple[int, ...], dtype: str) -> Tensor:
    """One space for all arrays of a form; a space never changes, so it can be shared."""
    return Tensor(shape=tuple(map(int, shape)), dtype=dtype)


def _sequence(value: Sequence[Any], parameter: bool) -> Space[Any]:
    if value and all(isinstance(part, Demo) for part in value):
        return Demos(max_shots=max(4, len(value)))
    if not (parameter and _is_numeric(value)):
        return _LIST
    try:
        return _tensor(array_of(value))
    except (TypeError, ValueError):  # ragged, or too large for int64
        return _LIST


def _is_numeric(value: Sequence[Any]) -> bool:
    """Whether a list, at any nesting, holds numbers and nothing else; at least one, and no bools."""
    todo, depth = list(value), 0
    while todo:
        kinds = set(map(type, todo))
        if bool not in kinds and all(issubclass(kind, numbers.Real) for kind in kinds):  # numpy's scalars are among them
            return kinds <= {int, float} or all(map(_fits, kinds))
        if not all(issubclass(kind, list | tuple) for kind in kinds) or depth > 32:
            return False
        todo, depth = [part for row in todo for part in row], depth + 1
    return False


def _fits(kind: type) -> bool:
    """Whether an array can hold such numbers."""
    return kind in (int, float) or kind.__module__ == "numpy"


def _code(function: Callable[..., Any]) -> Code:
    text = source_of(function)
    return Code(signature=header_of(text), imports=imported(text))


def _advice(value: Any) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        return "decode it to a text, or keep it by reference with space=pg.Opaque()"
    if isinstance(value, set | frozenset):
        return "write sorted(value), or keep it by reference with space=pg.Opaque()"
    if hasattr(type(value), "model_dump") or hasattr(type(value), "__dataclass_fields__"):
        return f"keep its fields with space=pg.Json({type(value).__name__}), or the object by reference with space=pg.Opaque()"
    return "give it one, as in pg.Variable(value, space=pg.Opaque()), which keeps it by reference"
