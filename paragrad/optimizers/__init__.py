"""Optimizers: pure transforms of evidence into candidates.

To add one: a file here with a :class:`Transform`, and one line in ``registry.optimizers``.
"""

from paragrad.optimizers.adam import Adam
from paragrad.optimizers.alternate import Alternate
from paragrad.optimizers.base import Transform, register
from paragrad.optimizers.bootstrap import BootstrapFewShot
from paragrad.optimizers.chain import Chain, chain
from paragrad.optimizers.descent import Descent
from paragrad.optimizers.edit import EditSearch
from paragrad.optimizers.evolution import EvolutionStrategy
from paragrad.optimizers.filters import Filter, freeze, only, worst
from paragrad.optimizers.opro import OPRO
from paragrad.optimizers.optoprime import OptoPrime
from paragrad.optimizers.partition import Partition, partition
from paragrad.optimizers.playbook import Playbook
from paragrad.optimizers.reflect import Reflect
from paragrad.optimizers.sgd import SGD
from paragrad.optimizers.textgrad import TextGrad
from paragrad.optimizers.thresholds import ThresholdFit
from paragrad.optimizers.tpe import TPE
from paragrad.protocols.evidence import Candidate, Evidence
from paragrad.rules import DecayStepGradientDescent, FixedStepGradientDescent

__all__ = [
    "OPRO",
    "SGD",
    "TPE",
    "Adam",
    "Alternate",
    "BootstrapFewShot",
    "Candidate",
    "Chain",
    "DecayStepGradientDescent",
    "Descent",
    "EditSearch",
    "Evidence",
    "EvolutionStrategy",
    "Filter",
    "FixedStepGradientDescent",
    "OptoPrime",
    "Partition",
    "Playbook",
    "Reflect",
    "TextGrad",
    "ThresholdFit",
    "Transform",
    "chain",
    "freeze",
    "only",
    "partition",
    "register",
    "worst",
]
