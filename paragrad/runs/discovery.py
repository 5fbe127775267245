"""Parameters a plain function can read: its globals, closure and defaults, and those of functions it names."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from paragrad.trace.parameter import Parameter

DEPTH = 200


def parameters_read_by(fn: Callable[..., Any]) -> list[Parameter[Any]]:
    """In order of discovery, each once. Looks only at code, calls nothing."""
    found: dict[int, Parameter[Any]] = {}
    seen: set[int] = set()
    waiting: list[Any] = [inspect.unwrap(fn) if callable(fn) else fn]
    while waiting and len(seen) < DEPTH:
        part = waiting.pop(0)
        if id(part) in seen:
            continue
        seen.add(id(part))
        for name, value in _reachable(part):
            if isinstance(value, Parameter):
                if value._meta.path is None:
                    value._meta.path = name
                found.setdefault(id(value), value)
            elif hasattr(value, "named_parameters") and not isinstance(value, type):
                found.update({id(p): p for p in value.named_parameters().values()})
            elif inspect.isfunction(value) and value.__module__ == getattr(part, "__module__", None):
                waiting.append(value)
    return list(found.values())


def _reachable(fn: Any) -> Iterator[tuple[str, Any]]:
    """What a function's code can name."""
    fn = getattr(fn, "__func__", fn)
    code = getattr(fn, "__code__", None)
    if code is None:
        return
    codes = [code, *(c for c in code.co_consts if inspect.iscode(c))]
    names = [name for c in codes for name in c.co_names]
    yield from ((name, fn.__globals__[name]) for name in dict.fromkeys(names) if name in fn.__globals__)
    for name, cell in zip(code.co_freevars, fn.__closure__ or (), strict=True):
        yield name, cell.cell_contents
