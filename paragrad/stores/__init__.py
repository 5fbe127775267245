"""Where values live: parameter stores, their versions, gradients, releases and transactions.

    store = open("sqlite:///prompts.db")
    store.init_parameter("route.instruction", "Decide which team must answer.")
    store.release("route")                                    # "route@1"

A store of your own derives from :class:`KeyValueStore` and writes three primitives.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from paragrad.errors import Conflict, Corrupted, StoreError
from paragrad.protocols.store import Entry, ParameterStore
from paragrad.registry import stores as _registry
from paragrad.stores.keyvalue import KeyValueStore
from paragrad.stores.leases import Lease
from paragrad.stores.opening import open
from paragrad.stores.releases import Release, ReleaseView

if TYPE_CHECKING:
    from paragrad.stores.contexts import parameter_context as parameter_context
    from paragrad.stores.device import DeviceStore as DeviceStore
    from paragrad.stores.files import FileStore as FileStore
    from paragrad.stores.memory import MemoryStore as MemoryStore
    from paragrad.stores.server import push_gradients as push_gradients
    from paragrad.stores.sqlite import SQLiteStore as SQLiteStore
    from paragrad.stores.traffic import split_traffic as split_traffic
    from paragrad.stores.transactions import Publication as Publication
    from paragrad.stores.transactions import publish_all as publish_all

register = _registry.register

_LAZY = {
    "DeviceStore": "paragrad.stores.device",
    "FileStore": "paragrad.stores.files",
    "parameter_context": "paragrad.stores.contexts",
    "MemoryStore": "paragrad.stores.memory",
    "Publication": "paragrad.stores.transactions",
    "SQLiteStore": "paragrad.stores.sqlite",
    "publish_all": "paragrad.stores.transactions",
    "push_gradients": "paragrad.stores.server",
    "split_traffic": "paragrad.stores.traffic",
}
_CALLED = ("default_parameter_context", "default_parameter_store")

__all__ = [
    "Conflict",
    "Corrupted",
    "Entry",
    "KeyValueStore",
    "Lease",
    "ParameterStore",
    "Release",
    "ReleaseView",
    "StoreError",
    "open",
    "push_gradients",
    "register",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    if name in _CALLED:
        return getattr(import_module("paragrad.stores.default"), name)()
    raise AttributeError(f"module 'paragrad.stores' has no attribute {name!r}")
