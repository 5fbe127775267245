"""Optimizers: pure transforms of evidence into candidates.

To add one: a file here with a :class:`Transform`, and one line in ``registry.optimizers``.
"""

from paragrad.optimizers.base import Transform, register
from paragrad.optimizers.bootstrap import BootstrapFewShot
from paragrad.optimizers.edit import EditSearch
from paragrad.optimizers.opro import OPRO
from paragrad.optimizers.partition import Partition, partition
from paragrad.protocols.evidence import Candidate, Evidence

__all__ = ["OPRO", "BootstrapFewShot", "Candidate", "EditSearch", "Evidence", "Partition", "Transform", "partition", "register"]
