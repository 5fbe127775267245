"""Generative functions: programs whose random choices have addresses.

    @gen.generative
    def line(xs):
        slope = gen.param("slope", 0.0)
        return [gen.sample(gen.normal(slope * x, 0.5), ("y", i)) for i, x in enumerate(xs)]

    trace, weight = gen.generate(line, ([0.0, 1.0],), {("y", 0): 0.1, ("y", 1): 2.0})

Parameters live in parameter stores, outside the traces; a context says in which. See docs/generative.md.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paragrad.gen.bridge import from_torch as from_torch
    from paragrad.gen.calling import call as call
    from paragrad.gen.calling import param as param
    from paragrad.gen.calling import sample as sample
    from paragrad.gen.choices import Choices as Choices
    from paragrad.gen.choices import Selection as Selection
    from paragrad.gen.choices import choicemap as choicemap
    from paragrad.gen.choices import select as select
    from paragrad.gen.combinators import map_ as map_
    from paragrad.gen.combinators import switch as switch
    from paragrad.gen.combinators import unfold as unfold
    from paragrad.gen.distributions import *  # noqa: F403 - its __all__ says what is offered
    from paragrad.gen.environment import Environment as Environment
    from paragrad.gen.environment import init_parameter as init_parameter
    from paragrad.gen.functions import cos as cos
    from paragrad.gen.functions import exp as exp
    from paragrad.gen.functions import log as log
    from paragrad.gen.functions import log1p as log1p
    from paragrad.gen.functions import logsumexp as logsumexp
    from paragrad.gen.functions import sigmoid as sigmoid
    from paragrad.gen.functions import sin as sin
    from paragrad.gen.functions import softplus as softplus
    from paragrad.gen.functions import sqrt as sqrt
    from paragrad.gen.functions import stack as stack
    from paragrad.gen.functions import tanh as tanh
    from paragrad.gen.interface import Call as Call
    from paragrad.gen.interface import GenerativeFunction as GenerativeFunction
    from paragrad.gen.interface import Gradients as Gradients
    from paragrad.gen.language import Grad as Grad
    from paragrad.gen.language import generative as generative
    from paragrad.gen.learning import accumulate_param_gradients as accumulate_param_gradients
    from paragrad.gen.learning import choice_gradients as choice_gradients
    from paragrad.gen.learning import param_gradients as param_gradients
    from paragrad.gen.learning import push_gradients as push_gradients
    from paragrad.gen.randomness import seed as seed
    from paragrad.gen.trace import Change as Change
    from paragrad.gen.trace import Trace as Trace
    from paragrad.gen.training import *  # noqa: F403
    from paragrad.gen.verbs import assess as assess
    from paragrad.gen.verbs import generate as generate
    from paragrad.gen.verbs import project as project
    from paragrad.gen.verbs import propose as propose
    from paragrad.gen.verbs import regenerate as regenerate
    from paragrad.gen.verbs import simulate as simulate
    from paragrad.gen.verbs import update as update
    from paragrad.rules import apply_update as apply_update
    from paragrad.rules import init_optimizer as init_optimizer

_HOMES = {
    "bridge": ("from_torch",),
    "calling": ("call", "param", "sample"),
    "choices": ("Choices", "Selection", "choicemap", "select"),
    "combinators": ("map_", "switch", "unfold"),
    "environment": ("Environment", "init_parameter"),
    "functions": ("cos", "exp", "log", "log1p", "logsumexp", "sigmoid", "sin", "softplus", "sqrt", "stack", "tanh"),
    "interface": ("Call", "GenerativeFunction", "Gradients"),
    "language": ("Grad", "generative"),
    "learning": ("accumulate_param_gradients", "choice_gradients", "param_gradients", "push_gradients"),
    "paragrad.rules": ("apply_update", "init_optimizer"),
    "randomness": ("seed",),
    "trace": ("Change", "Trace"),
    "verbs": ("assess", "generate", "project", "propose", "regenerate", "simulate", "update"),
}
_NAMES = {name: home for home, names in _HOMES.items() for name in names}
_PACKAGES = ("distributions", "training")
"""What they offer is offered here; their own ``__all__`` says it."""


def __getattr__(name: str) -> Any:
    if name == "__all__":
        value: Any = sorted({*_NAMES, *[own for package in _PACKAGES for own in _module(package).__all__]})
    else:
        home = _NAMES.get(name) or _package_of(name)
        if home is None:
            raise AttributeError(f"module 'paragrad.gen' has no attribute {name!r}")
        value = getattr(_module(home), name)
    globals()[name] = value  # the next time it is an ordinary attribute
    return value


def __dir__() -> list[str]:
    return list(__getattr__("__all__"))


def _package_of(name: str) -> str | None:
    if name[0] == "_" or find_spec(f"paragrad.gen.{name}") is not None:  # from paragrad.gen import functions
        return None
    return next((package for package in _PACKAGES if name in _module(package).__all__), None)


def _module(home: str) -> Any:
    return import_module(home if "." in home else f"paragrad.gen.{home}")
