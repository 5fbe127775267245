"""Landscapes: programs whose best texts are known, and one scripted proposer for every system that is compared.

Pure Python without Paragrad, so that other libraries import it in their own environments. ``program`` (not imported
here) holds the same landscapes as a Paragrad program. What is measured on them are orderings under one proposer; they
say nothing about proposals of real models.
"""

from benchmarks.landscapes.counter import Counter
from benchmarks.landscapes.landscape import Landscape
from benchmarks.landscapes.proposer import blamed, rewrite
from benchmarks.landscapes.variants import COLUMNS, VARIANTS, Column, Variant

__all__ = ["COLUMNS", "VARIANTS", "Column", "Counter", "Landscape", "Variant", "blamed", "rewrite"]
