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
    from paragrad.gen.distributions.base import Distribution as Distribution
    from paragrad.gen.distributions.base import Family as Family
    from paragrad.gen.environment import Environment as Environment
    from paragrad.gen.environment import init_parameter as init_parameter
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
    from paragrad.gen.verbs import assess as assess
    from paragrad.gen.verbs import generate as generate
    from paragrad.gen.verbs import project as project
    from paragrad.gen.verbs import propose as propose
    from paragrad.gen.verbs import regenerate as regenerate
    from paragrad.gen.verbs import simulate as simulate
    from paragrad.gen.verbs import update as update

_NAMES = {
    # what there is
    "Call": "interface",
    "Change": "trace",
    "Choices": "choices",
    "Environment": "environment",
    "GenerativeFunction": "interface",
    "Grad": "language",
    "Gradients": "interface",
    "Selection": "choices",
    "Trace": "trace",
    "choicemap": "choices",
    "select": "choices",
    # the modelling language
    "call": "calling",
    "generative": "language",
    "init_parameter": "environment",
    "param": "calling",
    "sample": "calling",
    "seed": "randomness",
    # the interface
    "accumulate_param_gradients": "learning",
    "assess": "verbs",
    "choice_gradients": "learning",
    "generate": "verbs",
    "param_gradients": "learning",
    "project": "verbs",
    "propose": "verbs",
    "push_gradients": "learning",
    "regenerate": "verbs",
    "simulate": "verbs",
    "update": "verbs",
    # combinators
    "map_": "combinators",
    "switch": "combinators",
    "unfold": "combinators",
    "from_torch": "bridge",
    # functions of tracked numbers
    "cos": "functions",
    "exp": "functions",
    "log": "functions",
    "log1p": "functions",
    "logsumexp": "functions",
    "sigmoid": "functions",
    "sin": "functions",
    "softplus": "functions",
    "sqrt": "functions",
    "stack": "functions",
    "tanh": "functions",
    # numeric rules, the same as pg's
    "apply_update": "paragrad.rules",
    "init_optimizer": "paragrad.rules",
}
_PACKAGES = {
    "distributions": (
        "Distribution",
        "Family",
        "bernoulli",
        "beta",
        "beta_uniform",
        "binomial",
        "broadcasted_normal",
        "categorical",
        "cauchy",
        "completion",
        "delta",
        "dirichlet",
        "exponential",
        "gamma",
        "geometric",
        "inv_gamma",
        "laplace",
        "lognormal",
        "mixture",
        "mvnormal",
        "neg_binomial",
        "normal",
        "piecewise_uniform",
        "poisson",
        "torch",
        "uniform",
        "uniform_discrete",
    ),
    "training": (
        "Fitted",
        "Resampled",
        "Weighted",
        "arithmetic_baselines",
        "black_box_vi",
        "black_box_vimco",
        "geometric_baselines",
        "importance_resampling",
        "importance_sampling",
        "lecture",
        "lecture_batched",
        "train",
    ),
}
_NAMES.update({name: package for package, names in _PACKAGES.items() for name in names})

__all__ = sorted(_NAMES)


def __getattr__(name: str) -> Any:
    home = _NAMES.get(name)
    if home is None:
        raise AttributeError(f"module 'paragrad.gen' has no attribute {name!r}")
    value = getattr(import_module(home if "." in home else f"paragrad.gen.{home}"), name)
    globals()[name] = value  # the next time it is an ordinary attribute
    return value


def __dir__() -> list[str]:
    return list(__all__)
