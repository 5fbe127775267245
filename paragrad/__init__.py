"""Paragrad: gradients for paragraphs and parameters.

One autodiff graph in which prompts, few-shot demos, code, choices, numbers and tensors are all
trainable Parameters. Importing this module loads nothing else: every name below is imported when it
is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_MODULES = ("data", "errors", "events", "guides", "llm", "optimizers", "spaces", "stores", "testing", "trace", "trainers")

_NAMES = {
    "AutoGuide": "guides",
    "Budget": "llm",
    "Candidate": "protocols.evidence",
    "Choice": "spaces",
    "Code": "spaces",
    "DataLoader": "data",
    "Dataset": "data",
    "Demo": "protocols.data",
    "Demos": "spaces",
    "Episode": "protocols.data",
    "Feedback": "protocols.gradient",
    "Generator": "modules",
    "Json": "spaces",
    "List": "spaces",
    "Module": "trace",
    "Number": "spaces",
    "Opaque": "spaces",
    "Parameter": "trace",
    "Result": "trainers",
    "Row": "protocols.data",
    "Task": "runs",
    "Tensor": "spaces",
    "Text": "spaces",
    "Variable": "trace",
    "backward": "trace",
    "bundle": "trace",
    "carry": "trace",
    "depend": "trace",
    "effects": "trace",
    "evaluate": "runs",
    "fit": "runs",
    "format": "modules",
    "hooks": "trace",
    "load": "modules",
    "model": "trace",
    "no_grad": "trace",
    "node": "trace",
    "on": "events",
    "op": "trace",
    "overlay": "trace",
    "param": "trace",
    "parameter_context": "stores",
    "prompt": "modules",
    "teacher": "modules",
    "transaction": "trace",
    "variable": "modules",
}

_ALIASES = {"metrics": ("guides.metrics", None)}

__all__ = sorted([*_MODULES, *_NAMES, *_ALIASES, "__version__"])  # noqa: PLE0604 - names are str


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"paragrad.{name}")
    if name in _ALIASES:
        return import_module(f"paragrad.{_ALIASES[name][0]}")
    if name not in _NAMES:
        raise AttributeError(f"module 'paragrad' has no attribute {name!r}")
    value = getattr(import_module(f"paragrad.{_NAMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)


if TYPE_CHECKING:
    from paragrad.data import DataLoader, Dataset
    from paragrad.events import on
    from paragrad.guides import AutoGuide
    from paragrad.llm import Budget
    from paragrad.modules import Generator, format, load, prompt, teacher, variable  # noqa: A004 - the public name
    from paragrad.protocols.data import Demo, Episode, Row
    from paragrad.protocols.evidence import Candidate
    from paragrad.protocols.gradient import Feedback
    from paragrad.runs import Task, evaluate, fit
    from paragrad.spaces import Choice, Code, Demos, Json, List, Number, Opaque, Tensor, Text
    from paragrad.stores import parameter_context
    from paragrad.trace import (
        Module,
        Parameter,
        Variable,
        backward,
        bundle,
        carry,
        depend,
        effects,
        hooks,
        model,
        no_grad,
        node,
        op,
        overlay,
        param,
        transaction,
    )
    from paragrad.trainers import Result
