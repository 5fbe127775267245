"""First values of numeric Parameters: rules that fill an array, and the lazy values made of them.

pg.initializer("he_normal", (64, 64), seed=1)             # by name
pg.initializer(pg.initializers.Orthogonal(gain=2), 8)     # by rule: one class per file
"""

from paragrad.initializers.base import Initializer
from paragrad.initializers.constant import Constant, One, Zero
from paragrad.initializers.he import HeNormal, HeUniform
from paragrad.initializers.identity import Dirac, Identity
from paragrad.initializers.layout import Layout
from paragrad.initializers.lazy import LazyArray
from paragrad.initializers.making import initializer, names, register
from paragrad.initializers.normal import Normal, TruncatedNormal
from paragrad.initializers.orthogonal import Orthogonal
from paragrad.initializers.scaling import VarianceScaling
from paragrad.initializers.sparse import Sparse
from paragrad.initializers.uniform import Uniform
from paragrad.initializers.xavier import XavierNormal, XavierUniform

__all__ = [
    "Constant",
    "Dirac",
    "HeNormal",
    "HeUniform",
    "Identity",
    "Initializer",
    "Layout",
    "LazyArray",
    "Normal",
    "One",
    "Orthogonal",
    "Sparse",
    "TruncatedNormal",
    "Uniform",
    "VarianceScaling",
    "XavierNormal",
    "XavierUniform",
    "Zero",
    "initializer",
    "names",
    "register",
]
