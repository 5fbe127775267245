"""The default store and context, made at first use: the one process-wide object of this package."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from paragrad.stores.memory import MemoryStore


@cache
def default_parameter_store() -> MemoryStore:
    """The store of parameters that name none; it lives in memory, its key is "default"."""
    return MemoryStore(key="default")


@cache
def default_parameter_context() -> Mapping[Any, Any]:
    """The context of functions that are given none: the default store under "default"."""
    return MappingProxyType({"default": default_parameter_store()})
