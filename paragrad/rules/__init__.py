"""Numeric update rules: plain configurations, and what applies them to the parameters of a store.

    optimizer = init_optimizer(FixedStepGradientDescent(0.01), ["theta"], store)
    store.increment_gradient("theta", 2.0)
    apply_update(optimizer)

A rule of your own is a :class:`Rule` with ``step``. A store with a way of its own registers it with
:func:`implements`.
"""

from paragrad.rules.adam import Adam, AdamW
from paragrad.rules.base import Rule
from paragrad.rules.decay import DecayStepGradientDescent
from paragrad.rules.fixed import FixedStepGradientDescent
from paragrad.rules.implementing import implements
from paragrad.rules.initializing import apply_update, init_optimizer
from paragrad.rules.per_store import Prepared, StoreOptimizer
from paragrad.rules.sgd import SGD
from paragrad.rules.torch_rule import TorchRule

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "DecayStepGradientDescent",
    "FixedStepGradientDescent",
    "Prepared",
    "Rule",
    "StoreOptimizer",
    "TorchRule",
    "apply_update",
    "implements",
    "init_optimizer",
]
