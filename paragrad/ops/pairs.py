"""Operators of arrays under numpy's names, and what is made of them: ``pg.ops.matmul(a, b)`` is ``a @ b``.

Unlike the operators they take a list for an array, as numpy does: ``pg.ops.add([1, 2], [3, 4])`` is 4 and 6.
"""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

from paragrad.ops.shapes import arrayed, raw
from paragrad.ops.tensor import Axis, concatenate, reshape, sqrt, var
from paragrad.trace.variable import Variable


def _settled(value: Any) -> Any:
    """Python numbers where numpy gives scalars."""
    return value.item() if not isinstance(value, Variable) and getattr(value, "shape", None) == () else value


def add(a: Any, b: Any) -> Any:
    """``a + b``, by element."""
    return _settled(arrayed(a) + arrayed(b))


def subtract(a: Any, b: Any) -> Any:
    """``a - b``, by element."""
    return _settled(arrayed(a) - arrayed(b))


def multiply(a: Any, b: Any) -> Any:
    """``a * b``, by element."""
    return _settled(arrayed(a) * arrayed(b))


def divide(a: Any, b: Any) -> Any:
    """``a / b``, by element."""
    return _settled(arrayed(a) / arrayed(b))


def power(a: Any, b: Any) -> Any:
    """``a ** b``, by element."""
    return _settled(arrayed(a) ** arrayed(b))


def negative(x: Any) -> Any:
    """``-x``, by element."""
    return _settled(-arrayed(x))


def abs(x: Any) -> Any:
    """The absolute value of every element; its gradient at 0 is 0."""
    return _settled(builtins.abs(arrayed(x)))


def matmul(a: Any, b: Any) -> Any:
    """``a @ b``: the matrix product; of vectors their inner product."""
    return _settled(arrayed(a) @ arrayed(b))


def dot(a: Any, b: Any) -> Any:
    """numpy's ``dot``: the product where one of them is a number, else the matrix product.

    Raises:
        ValueError: both have axes of their own and the second one more than two, where numpy's ``dot`` is no matrix product.
    """
    a, b = arrayed(a), arrayed(b)
    left, right = _dimensions(a), _dimensions(b)
    if not left or not right:
        return _settled(a * b)
    if left > 1 and right > 2:
        raise ValueError(f"dot of arrays of {left} and {right} dimensions is not traced; write matmul, or reshape them to matrices")
    return _settled(a @ b)


def outer(a: Any, b: Any) -> Any:
    """Every element of ``a`` times every element of ``b``."""
    return reshape(a, (-1, 1)) * reshape(b, (1, -1))


def ravel(x: Any) -> Any:
    """All elements in one dimension."""
    return reshape(x, -1)


def std(x: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """The square root of the mean squared distance from the mean."""
    return sqrt(var(x, axis, keepdims=keepdims))


def hstack(arrays: Sequence[Any]) -> Any:
    """Arrays joined along their second axis, vectors and numbers along their first."""
    flat = [x if _dimensions(x) else reshape(x, 1) for x in arrays]
    return concatenate(flat, axis=0 if _dimensions(flat[0]) == 1 else 1)


def vstack(arrays: Sequence[Any]) -> Any:
    """Arrays joined along their first axis; vectors are rows."""
    return concatenate([x if _dimensions(x) > 1 else reshape(x, (1, -1)) for x in arrays])


def _dimensions(x: Any) -> int:
    import numpy

    return int(numpy.ndim(raw(x)))
