"""Rows for a program: its inputs are found from its signature, and the columns are bound to them."""

from __future__ import annotations

import inspect
from typing import Any

from paragrad.data import DataLoader, Dataset, rows
from paragrad.trace.binding import Binder
from paragrad.trace.bundle import BoundBundle, Bundle
from paragrad.trace.module import Module, Wrapped


def bound_rows(data: Any, program: Module) -> Dataset:
    """Rows in memory, bound to the program's inputs.

    Raises:
        DataError: an input that is no column.
    """
    loaded = data.dataset if isinstance(data, DataLoader) else rows(data)
    names, optional = signature(program)
    return loaded.bind(names, optional=optional) if names else loaded


def signature(program: Module) -> tuple[list[str], list[str]]:
    """Names of the program's inputs, and those that have a default. Empty when it takes anything."""
    binder = _binder(program)
    if binder is None or binder.signature is None:
        return list(getattr(program, "inputs", None) or ()), []
    named = [p for p in binder.signature.parameters.values() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    return [p.name for p in named], [p.name for p in named if p.default is not inspect.Parameter.empty]


def _binder(program: Module) -> Binder | None:
    own: Binder | None = getattr(program, "_binder", None)
    if own is not None:
        return own
    if getattr(program, "inputs", None) is not None or hasattr(program, "instruction"):
        return None
    fn = program.fn if isinstance(program, Wrapped) else program.forward
    if isinstance(fn, Bundle):
        return fn.binder
    return Binder(fn.bundle.fn.__get__(fn.instance)) if isinstance(fn, BoundBundle) else Binder(fn)
