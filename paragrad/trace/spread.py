"""Spread: the gradient of a container through one of its elements, zero everywhere else.

Reading every element of a list of n makes n of these. They are added without being written out, so
the whole costs O(n), not O(n²); :func:`dense` writes the sum out once, when somebody needs it.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from paragrad.trace.values import added


class Spread:
    """One element's gradient, or the sum of two gradients of a container.

    Attributes:
        container: a value of the container's form.
        key: where ``g`` belongs. ``left``, ``right``: the parts of a sum, dense or not.
        count: elements written when it is made dense.
    """

    __slots__ = ("container", "count", "g", "key", "left", "right")

    def __init__(self, container: Any, key: Any = None, g: Any = None, left: Any = None, right: Any = None, count: int = 1) -> None:
        self.container = container
        self.key = key
        self.g = g
        self.left = left
        self.right = right
        self.count = count


def plus(a: Any, b: Any) -> Any:
    """The sum of two gradients of one form; O(1) when one of them is spread."""
    if a.__class__ is Spread or b.__class__ is Spread:
        container = a.container if a.__class__ is Spread else b.container
        return Spread(container, left=a, right=b, count=_count(a, container) + _count(b, container))
    return added(a, b)


def _count(part: Any, container: Any) -> int:
    return part.count if part.__class__ is Spread else len(container)


def compact(gradient: Any) -> Any:
    """Written out once that takes less than what it is the sum of."""
    return dense(gradient) if gradient.__class__ is Spread and gradient.count >= getattr(gradient.container, "__len__", int)() else gradient


def dense(gradient: Any) -> Any:
    """A gradient written out, parts added in their order (iterative); None when the container has no zeros."""
    if gradient.__class__ is not Spread:
        return gradient
    total = zeros(gradient.container)
    stack = [gradient] if total is not None else []
    while stack:
        part = stack.pop()
        if part.__class__ is not Spread:
            total = added(total, part)
        elif part.left is not None:
            stack += (part.right, part.left)
        else:
            total = put(total, part.key, part.g)
    return total


def put(total: Any, key: Any, g: Any) -> Any:
    """``total`` with ``g`` added at ``key``, in place."""
    keys = key if isinstance(key, tuple) else (key,)
    if hasattr(total, "shape") and any(hasattr(k, "shape") or isinstance(k, list) for k in keys):
        import_module("numpy").add.at(total, key, g)  # an index may repeat
    else:
        total[key] = added(total[key], g)
    return total


def zeros(value: Any) -> Any:
    """Zeros in the form of a numeric value, or None for anything else."""
    if isinstance(value, (list, tuple)):
        inner = [zeros(x) for x in value]
        return None if any(x is None for x in inner) else inner
    if isinstance(value, dict):
        named = {key: zeros(x) for key, x in value.items()}
        return None if any(x is None for x in named.values()) else named
    if hasattr(value, "shape"):
        return value * 0.0
    return 0.0 if isinstance(value, (int, float)) or value is None else None
