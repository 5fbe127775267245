"""Values at the border: frozen when they enter, copied when they leave.

Containers are copied both ways (never ``deepcopy``), arrays are copied once and made read-only,
everything else is taken by reference. So a record never needs a copy of its inputs.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

from paragrad import registry

ATOMS = frozenset({str, int, float, bool, type(None), bytes, complex})
CONSTANTS = ATOMS | {slice, type}


def is_array(value: Any) -> bool:
    """An ndarray-like: unhashable, with a write flag."""
    cls = value.__class__
    return cls.__hash__ is None and hasattr(cls, "setflags")


def freeze(value: Any) -> Any:
    """The value as a node keeps it."""
    cls = value.__class__
    if cls in ATOMS:
        return value
    if cls is list or cls is tuple:
        return cls([x if x.__class__ in ATOMS else freeze(x) for x in value])
    if cls is dict:
        return {key: x if x.__class__ in ATOMS else freeze(x) for key, x in value.items()}
    if is_array(value):
        if not value.flags.writeable and value.base is None:
            return value
        copy = value.copy()
        copy.setflags(write=False)
        return copy
    return value


def settle(value: Any, operand: Any) -> Any:
    """An operator's result as a node keeps it. An array made from an array is new, so it is frozen without a copy."""
    if value.__class__ is operand.__class__ and is_array(value) and value.base is None:
        value.setflags(write=False)
        return value
    return freeze(value)


def thaw(value: Any) -> Any:
    """The value as the user gets it: containers are fresh copies."""
    cls = value.__class__
    if cls in ATOMS:
        return value
    if cls is list or cls is tuple:
        return cls([x if x.__class__ in ATOMS else thaw(x) for x in value])
    if cls is dict:
        return {key: x if x.__class__ in ATOMS else thaw(x) for key, x in value.items()}
    return value


def check_data(value: Any, path: str = "data") -> Any:
    """Data a Variable may be made of, frozen.

    Text, numbers, bools, None, lists, tuples and dicts of them at any depth, and arrays. A flat
    list that mixes ints and floats becomes floats.

    Raises:
        TypeError: naming the element, and ``space=pg.Opaque()`` as the way for other objects.
    """
    cls = value.__class__
    if cls in ATOMS and cls is not bytes and cls is not complex:
        return value
    if cls is list or cls is tuple:
        items = [check_data(x, f"{path}[{i}]") for i, x in enumerate(value)]
        return cls(_level(items))
    if cls is dict:
        for key in value:
            if key.__class__ is not str:
                raise TypeError(f"{path} has the key {key!r}; keys must be str")
        return {key: check_data(x, f"{path}[{key!r}]") for key, x in value.items()}
    if is_array(value):
        return freeze(value)
    if cls.__module__.partition(".")[0] == "torch":
        return registry.spaces.get("tensor")().check(value)
    if isinstance(value, (str, int, float)) or hasattr(cls, "content_key"):  # the latter are frozen and known by their content
        return value
    if hasattr(cls, "dtype") and hasattr(cls, "item") and cls.__hash__ is not None:  # one element of an array
        return value
    raise TypeError(
        f"{path} is {shorten(repr(value))} of type {cls.__name__}; pass text, numbers, JSON-like values or arrays, or space=pg.Opaque()"
    )


def _level(items: list[Any]) -> Iterable[Any]:
    """A flat list that mixes ints and floats, as floats."""
    kinds = {x.__class__ for x in items}
    return [float(x) for x in items] if kinds == {int, float} else items


def shorten(text: str, limit: int = 40) -> str:
    """``text`` with its middle left out when it is longer than ``limit``."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}...{text[-half:]}"


def brief(value: Any, depth: int = 2) -> str:
    """A value in one short line; cost does not grow with the value."""
    if isinstance(value, str):
        return shorten(value)
    if isinstance(value, (list, tuple)) and depth:
        shown = list(value) if len(value) <= 6 else [*value[:3], ..., *value[-3:]]
        body = ", ".join("..." if x is ... else _inner(x, depth - 1) for x in shown)
        return f"[{body}]" if isinstance(value, list) else f"({body}{',' if len(value) == 1 else ''})"
    if isinstance(value, dict) and depth:
        keys = list(islice(value, 6))
        body = ", ".join(f"{key}: {_inner(value[key], depth - 1)}" for key in keys)
        return f"{{{body}{', ...' if len(value) > 6 else ''}}}"
    if isinstance(value, (list, tuple, dict)):
        return f"{type(value).__name__} of {len(value)}"
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"array(shape={tuple(value.shape)}, dtype={value.dtype})"
    return shorten(repr(value[:64] if isinstance(value, (bytes, bytearray)) else value))


def _inner(value: Any, depth: int) -> str:
    """An element of a container: a text is told from a number by its quotes."""
    return repr(shorten(value)) if isinstance(value, str) else brief(value, depth)


def is_floating(value: Any) -> bool:
    """A float, a non-empty flat list or tuple of floats, or an array of a floating dtype."""
    if isinstance(value, (list, tuple)):
        return bool(value) and all(isinstance(x, float) for x in value)
    kind = getattr(getattr(value, "dtype", None), "kind", None)
    return kind == "f" if kind is not None else isinstance(value, float)


def added(a: Any, b: Any) -> Any:
    """The sum of two gradients of one form, element by element."""
    if isinstance(a, (list, tuple)):
        return type(a)([added(x, y) for x, y in zip(a, b, strict=True)])
    if isinstance(a, dict):
        return {key: added(x, b[key]) for key, x in a.items()}
    return a + b


def is_number(value: Any) -> bool:
    """An int or float (a bool is a choice, not a number)."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_numeric(value: Any) -> bool:
    """A number, a non-empty list or tuple of numeric values, or an array of numbers."""
    if isinstance(value, (list, tuple)):
        return bool(value) and all(is_numeric(x) for x in value)
    kind = getattr(getattr(value, "dtype", None), "kind", None)
    return kind in ("i", "u", "f") if kind is not None else is_number(value)


def same_form(a: Any, b: Any) -> bool:
    """Whether two values have one kind and shape: texts, numbers, or containers of them with equal lengths or keys."""
    if isinstance(a, str) or isinstance(b, str):
        return isinstance(a, str) and isinstance(b, str)
    if isinstance(a, (list, tuple)) or isinstance(b, (list, tuple)):
        return isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)) and len(a) == len(b) and all(map(same_form, a, b))
    if isinstance(a, dict) or isinstance(b, dict):
        return isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys() and all(same_form(x, b[k]) for k, x in a.items())
    return getattr(a, "shape", ()) == getattr(b, "shape", ()) and is_numeric(a) == is_numeric(b)


def is_scalar(value: Any) -> bool:
    """One element: feedback on it needs no shape."""
    size = getattr(value, "size", None)
    if isinstance(size, int):
        return size == 1
    return not isinstance(value, (list, tuple)) or len(value) == 1
