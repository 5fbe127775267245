"""Conformance kits: what every plug-in must do, for this library's own parts and for other people's."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_NAMES = {
    "check_grads": "grads",
    "check_model": "models",
    "check_optimizer": "optimizers",
    "check_propagator": "propagators",
    "check_space": "spaces",
    "check_store": "stores",
    "check_trainer": "trainers",
}

__all__ = ["check_grads", "check_model", "check_optimizer", "check_propagator", "check_space", "check_store", "check_trainer"]


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module 'paragrad.testing' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"paragrad.testing.{_NAMES[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)


if TYPE_CHECKING:
    from paragrad.testing.grads import check_grads
    from paragrad.testing.models import check_model
    from paragrad.testing.optimizers import check_optimizer
    from paragrad.testing.propagators import check_propagator
    from paragrad.testing.spaces import check_space
    from paragrad.testing.stores import check_store
    from paragrad.testing.trainers import check_trainer
