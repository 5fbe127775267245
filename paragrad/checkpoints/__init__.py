"""Checkpoints: Parameters in one safetensors file with checksums, written whole, read without running code.

pg.checkpoints.save(program, "weights.safetensors")
pg.checkpoints.load("weights.safetensors", into=program)
"""

from paragrad.checkpoints.loading import load, values
from paragrad.checkpoints.saving import save

__all__ = ["load", "save", "values"]
