"""Trainers: choose batches and candidates, decide what to accept; work with every optimizer.

To add one: a file here with a subclass of :class:`AlgorithmBase` and its ``step``, and one line in
``registry.algorithms``.
"""

from paragrad.data import DataLoader
from paragrad.guides import AutoGuide
from paragrad.trainers.base import AlgorithmBase
from paragrad.trainers.basic import BasicSearch
from paragrad.trainers.beam import BeamSearch
from paragrad.trainers.minibatch import MinibatchAlgorithm
from paragrad.trainers.objective import Objective
from paragrad.trainers.pareto import ParetoSearch
from paragrad.trainers.result import Result
from paragrad.trainers.ucb import UCBSearch

__all__ = [
    "AlgorithmBase",
    "AutoGuide",
    "BasicSearch",
    "BeamSearch",
    "DataLoader",
    "MinibatchAlgorithm",
    "Objective",
    "ParetoSearch",
    "Result",
    "UCBSearch",
]
