"""Learning on top of generative functions: supervised training, the sleep phase, variational and importance-sampling inference.

Every loop takes ``context=``, gives the same numbers for the same seed, and does not depend on how
many threads work. What is trained is anything with ``parameter_ids(context)``.
"""

from paragrad.gen.training.importance import Resampled, Weighted, importance_resampling, importance_sampling
from paragrad.gen.training.sleep import lecture, lecture_batched
from paragrad.gen.training.supervised import train
from paragrad.gen.training.variational import Fitted, black_box_vi
from paragrad.gen.training.vimco import arithmetic_baselines, black_box_vimco, geometric_baselines

__all__ = [
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
]
