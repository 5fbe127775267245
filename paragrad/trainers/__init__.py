"""Trainers: choose batches and candidates, decide what to accept; work with every optimizer.

To add one: a file here with a subclass of :class:`AlgorithmBase` and its ``step``, and one line in
``registry.algorithms``.
"""

from paragrad.data import DataLoader
from paragrad.guides import AutoGuide
from paragrad.trainers.base import AlgorithmBase
from paragrad.trainers.minibatch import MinibatchAlgorithm
from paragrad.trainers.result import Result

__all__ = ["AlgorithmBase", "AutoGuide", "DataLoader", "MinibatchAlgorithm", "Result"]
