"""Variables of structured answers: ``out.field`` is a traced read, and fields win over Variable's own names."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from paragrad.trace.operators import OPERATIONS
from paragrad.trace.record import operate
from paragrad.trace.variable import Variable, wrap


def typed(variable: Variable[Any]) -> Variable[Any]:
    """The same node behind a handle that knows the fields of its value; plain values are left alone."""
    names = field_names(variable._n.value)
    if not names:
        return variable
    made: Variable[Any] = _handle(tuple(names)).__new__(_handle(tuple(names)))
    made._n = variable._n
    return made


def field_names(value: Any) -> list[str]:
    """Fields of a pydantic model or dataclass instance."""
    cls = type(value)
    if hasattr(cls, "model_fields"):
        return list(cls.model_fields)
    return [f.name for f in dataclasses.fields(value)] if dataclasses.is_dataclass(value) and not isinstance(value, type) else []


def variable(value: Any) -> Variable[Any]:
    """``value`` as a Variable with Variable's own names, whatever its fields are called."""
    if not isinstance(value, Variable):
        return Variable(value)
    return wrap(value._n) if type(value).__name__ == "Structured" else value


@lru_cache(maxsize=512)
def _handle(names: tuple[str, ...]) -> type[Variable[Any]]:
    body: dict[str, Any] = {"__slots__": (), **{name: property(_reader(name)) for name in names}}
    return type("Structured", (Variable,), body)


def _reader(name: str) -> Callable[[Any], Variable[Any]]:
    return lambda self: operate(OPERATIONS["getattr"], (self, name))
