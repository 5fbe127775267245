"""Paragrad: gradients for paragraphs and parameters.

One autodiff graph in which prompts, few-shot demos, code, choices, numbers and tensors are all
trainable Parameters. Importing this module loads nothing else: every name below is imported when it
is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_MODULES = (
    "checkpoints",
    "data",
    "distributed",
    "errors",
    "events",
    "gen",
    "guides",
    "initializers",
    "llm",
    "ops",
    "optimizers",
    "rules",
    "spaces",
    "stores",
    "testing",
    "trace",
    "trainers",
)

_NAMES = {
    "Agent": "modules",
    "Audio": "modules",
    "AutoGuide": "guides",
    "Budget": "llm",
    "Candidate": "protocols.evidence",
    "Choice": "spaces",
    "Code": "spaces",
    "DataLoader": "data",
    "Dataset": "data",
    "Demo": "protocols.data",
    "Demos": "spaces",
    "Environment": "protocols.environment",
    "Episode": "protocols.data",
    "Feedback": "protocols.gradient",
    "File": "modules",
    "Generator": "modules",
    "Image": "modules",
    "Json": "spaces",
    "Layout": "initializers",
    "List": "spaces",
    "Messages": "modules",
    "Module": "trace",
    "Number": "spaces",
    "Objective": "trainers",
    "Opaque": "spaces",
    "Parameter": "trace",
    "ParameterTuple": "trace",
    "Result": "trainers",
    "Retriever": "modules",
    "Row": "protocols.data",
    "Task": "runs",
    "Tensor": "spaces",
    "Text": "spaces",
    "Variable": "trace",
    "apply_update": "rules",
    "backward": "trace",
    "bundle": "trace",
    "carry": "trace",
    "default_parameter_context": "stores",
    "default_parameter_store": "stores",
    "depend": "trace",
    "effects": "trace",
    "evaluate": "runs",
    "fit": "runs",
    "format": "modules",
    "from_torch": "ops.torch_module",
    "hooks": "trace",
    "implements": "rules",
    "init_optimizer": "rules",
    "initializer": "initializers",
    "io": "trace",
    "load": "runs",
    "model": "trace",
    "no_grad": "trace",
    "node": "trace",
    "on": "events",
    "op": "trace",
    "optimize_anything": "runs",
    "ordered": "trace",
    "overlay": "trace",
    "parallel": "trace",
    "param": "trace",
    "parameter_context": "stores",
    "prompt": "modules",
    "reads": "trace",
    "split_traffic": "stores",
    "stochastic": "ops.stochastic",
    "teacher": "modules",
    "tool": "modules",
    "transaction": "trace",
    "variable": "modules",
    "writes": "trace",
}

_ALIASES = {"metrics": ("guides.metrics", None), "retrieval": ("modules.retrieval", None)}

__all__ = sorted([*_MODULES, *_NAMES, *_ALIASES, "__version__"])


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
    from paragrad import (
        checkpoints as checkpoints,
    )
    from paragrad import (
        data as data,
    )
    from paragrad import (
        distributed as distributed,
    )
    from paragrad import (
        errors as errors,
    )
    from paragrad import (
        events as events,
    )
    from paragrad import (
        gen as gen,
    )
    from paragrad import (
        guides as guides,
    )
    from paragrad import (
        initializers as initializers,
    )
    from paragrad import (
        llm as llm,
    )
    from paragrad import (
        ops as ops,
    )
    from paragrad import (
        optimizers as optimizers,
    )
    from paragrad import (
        rules as rules,
    )
    from paragrad import (
        spaces as spaces,
    )
    from paragrad import (
        stores as stores,
    )
    from paragrad import (
        testing as testing,
    )
    from paragrad import (
        trace as trace,
    )
    from paragrad import (
        trainers as trainers,
    )
    from paragrad.data import DataLoader as DataLoader
    from paragrad.data import Dataset as Dataset
    from paragrad.events import on as on
    from paragrad.guides import AutoGuide as AutoGuide
    from paragrad.guides import metrics as metrics
    from paragrad.initializers.layout import Layout as Layout
    from paragrad.initializers.making import initializer as initializer
    from paragrad.llm import Budget as Budget
    from paragrad.modules import retrieval as retrieval
    from paragrad.modules.agent import Agent as Agent
    from paragrad.modules.generator import Generator as Generator
    from paragrad.modules.history import Messages as Messages
    from paragrad.modules.media import Audio as Audio
    from paragrad.modules.media import File as File
    from paragrad.modules.media import Image as Image
    from paragrad.modules.prompt import prompt as prompt
    from paragrad.modules.retriever import Retriever as Retriever
    from paragrad.modules.structured import variable as variable
    from paragrad.modules.teaching import teacher as teacher
    from paragrad.modules.template import format as format
    from paragrad.modules.tools import tool as tool
    from paragrad.ops.stochastic import stochastic as stochastic
    from paragrad.ops.torch_module import from_torch as from_torch
    from paragrad.protocols.data import Demo as Demo
    from paragrad.protocols.data import Episode as Episode
    from paragrad.protocols.data import Row as Row
    from paragrad.protocols.environment import Environment as Environment
    from paragrad.protocols.evidence import Candidate as Candidate
    from paragrad.protocols.gradient import Feedback as Feedback
    from paragrad.rules.implementing import implements as implements
    from paragrad.rules.initializing import apply_update as apply_update
    from paragrad.rules.initializing import init_optimizer as init_optimizer
    from paragrad.runs import Task as Task
    from paragrad.runs import evaluate as evaluate
    from paragrad.runs import fit as fit
    from paragrad.runs import load as load
    from paragrad.runs import optimize_anything as optimize_anything
    from paragrad.spaces import Choice as Choice
    from paragrad.spaces import Code as Code
    from paragrad.spaces import Demos as Demos
    from paragrad.spaces import Json as Json
    from paragrad.spaces import List as List
    from paragrad.spaces import Number as Number
    from paragrad.spaces import Opaque as Opaque
    from paragrad.spaces import Tensor as Tensor
    from paragrad.spaces import Text as Text
    from paragrad.stores import default_parameter_context as default_parameter_context
    from paragrad.stores import default_parameter_store as default_parameter_store
    from paragrad.stores.contexts import parameter_context as parameter_context
    from paragrad.stores.traffic import split_traffic as split_traffic
    from paragrad.trace import hooks as hooks
    from paragrad.trace.backward import backward as backward
    from paragrad.trace.bundle import bundle as bundle
    from paragrad.trace.bundle import node as node
    from paragrad.trace.bundle import op as op
    from paragrad.trace.carrying import carry as carry
    from paragrad.trace.module import Module as Module
    from paragrad.trace.module import model as model
    from paragrad.trace.order import depend as depend
    from paragrad.trace.order import effects as effects
    from paragrad.trace.order import ordered as ordered
    from paragrad.trace.overlay import overlay as overlay
    from paragrad.trace.overlay import transaction as transaction
    from paragrad.trace.parallel import parallel as parallel
    from paragrad.trace.parameter import Parameter as Parameter
    from paragrad.trace.parameter import param as param
    from paragrad.trace.resources import io as io
    from paragrad.trace.resources import reads as reads
    from paragrad.trace.resources import writes as writes
    from paragrad.trace.state import no_grad as no_grad
    from paragrad.trace.tuples import ParameterTuple as ParameterTuple
    from paragrad.trace.variable import Variable as Variable
    from paragrad.trainers import Objective as Objective
    from paragrad.trainers import Result as Result
