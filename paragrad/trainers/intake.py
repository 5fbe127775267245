"""Rows for a program: its inputs are found from its signature, and the columns are bound to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from paragrad.data import DataLoader, Dataset, loader_of, rows
from paragrad.modules.inputs import input_kinds, input_names
from paragrad.trace.module import Module


def bound_rows(data: Any, program: Module) -> Dataset:
    """Rows in memory, bound to the program's inputs; cells of pictures, sounds, files and chats are made into such.

    Raises:
        DataError: an input that is no column, or a cell that is not what the program takes.
    """
    loader = loader_of(data)
    loaded = rows(data) if loader is None else loader.dataset
    names, optional = input_names(program)
    return loaded.bind(names, optional=optional, convert=_converters(program)) if names else loaded


def bound_loader(data: Any, program: Module) -> DataLoader | None:
    """The user's own loader, of whatever kind, bound to the program's inputs; None when ``data`` is none."""
    loader = loader_of(data)
    names, optional = input_names(program)
    if loader is None or not names:
        return loader
    return loader.bind(names, optional=optional, convert=_converters(program))


def _converters(program: Module) -> dict[str, Callable[[Any, Any], Any]]:
    return {name: kind.read for name, kind in input_kinds(program).items()}
