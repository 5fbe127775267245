"""What array libraries ask of a Variable: its plain array, or their functions applied to it."""

from __future__ import annotations

from typing import Any

from paragrad import registry
from paragrad.trace import operators
from paragrad.trace.record import operate
from paragrad.trace.values import thaw
from paragrad.trace.variable import Variable, note_read


def plain(variable: Any) -> Any:
    """The value as it is, noted as a read."""
    node = variable._n
    note_read(node)
    return node.value


def array(self: Any, dtype: Any = None, copy: Any = None) -> Any:
    """The value as an array, noted as a read."""
    value = plain(self)
    if hasattr(value, "__array__"):
        return value.__array__(dtype) if dtype is not None else value.__array__()
    from importlib import import_module

    return import_module("numpy").asarray(thaw(value), dtype=dtype)


def ufunc(self: Any, function: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
    """An element-wise function: traced when it is an operator or has a traced form, else on plain values (an escape)."""
    if method == "__call__":
        name = operators.UFUNCS.get(function.__name__)
        if name is not None and not kwargs:
            return operate(operators.OPERATIONS[name], inputs)
        made = registry.facets.get("array_function")(function.__name__, inputs, kwargs)
        if made is not NotImplemented:
            return made
    return getattr(function, method)(*[array(x) if isinstance(x, Variable) else x for x in inputs], **kwargs)


def array_function(self: Any, function: Any, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """An array library's function: traced where there is a traced one, else on plain values (an escape)."""
    made = registry.facets.get("array_function")(function.__name__, args, kwargs)
    if made is not NotImplemented:
        return made
    return function(*map(within, args), **{key: within(x) for key, x in kwargs.items()})


def within(value: Any) -> Any:
    """``value`` with the Variables in it, and in a list or tuple, as arrays."""
    if isinstance(value, Variable):
        return array(value)
    return type(value)([within(x) for x in value]) if isinstance(value, (list, tuple)) else value
