"""Operations and their gradient rules, each rule next to the operation it belongs to.

Modules listed in ``registry.rules`` attach themselves to the generated operators by name. The functions
below are for arrays and numbers in the graph: numpy's, recorded when an argument is a Variable.
"""

from paragrad.ops.tensor import (
    clip,
    concatenate,
    cos,
    exp,
    expand_dims,
    expm1,
    log,
    log1p,
    logsumexp,
    max,
    maximum,
    mean,
    min,
    minimum,
    reshape,
    sigmoid,
    sin,
    softmax,
    sqrt,
    square,
    squeeze,
    stack,
    sum,
    swapaxes,
    tanh,
    transpose,
    var,
    where,
)
from paragrad.ops.torch_embedded import trainable

__all__ = [
    "clip", "concatenate", "cos", "exp", "expand_dims", "expm1", "log", "log1p", "logsumexp", "max", "maximum", "mean", "min", "minimum", "reshape",
    "sigmoid", "sin", "softmax", "sqrt", "square", "squeeze", "stack", "sum", "swapaxes", "tanh", "trainable", "transpose", "var", "where",
]  # fmt: skip
