"""What may be copied into what, and which dtypes a Variable can be cast to."""

from __future__ import annotations

from typing import Any

from paragrad.trace.values import brief

DTYPES = {"int": int, "float": float, "str": str, "bool": bool}


def known_dtype(dtype: Any, value: Any) -> Any:
    """``dtype`` as a callable or an array dtype.

    Raises:
        TypeError: unknown.
    """
    if hasattr(value, "astype"):
        try:
            return value.astype(dtype).dtype
        except (TypeError, ValueError, AttributeError) as error:
            raise TypeError(f"unknown dtype {dtype!r} for an array") from error
    if dtype in (int, float, str, bool):
        return dtype
    if isinstance(dtype, str) and dtype in DTYPES:
        return DTYPES[dtype]
    raise TypeError(f"unknown dtype {dtype!r}; use int, float, str or bool")


def copied_value(old: Any, new: Any) -> Any:
    """``new`` when it may be copied over ``old``.

    Raises:
        ValueError: another kind, length or element type; ints may widen to floats.
    """
    if old is None:
        return new
    if isinstance(old, (list, tuple)):
        if type(new) is not type(old):
            raise ValueError(f"cannot copy {brief(new)} into a {type(old).__name__} of {len(old)}; pass a {type(old).__name__}")
        if len(old) != len(new):
            raise ValueError(f"cannot copy {len(new)} elements into {len(old)}; the lengths must match")
        return type(old)([copied_value(a, b) for a, b in zip(old, new, strict=True)])
    shape = getattr(old, "shape", None)
    if shape is not None:
        if getattr(new, "shape", None) != shape:
            raise ValueError(f"cannot copy shape {getattr(new, 'shape', None)} into shape {shape}")
        return new
    if isinstance(old, float) and type(new) is int:
        return float(new)
    if type(old) is not type(new):
        raise ValueError(f"cannot copy {brief(new)} of type {type(new).__name__} into a {type(old).__name__}; convert it first")
    return new
