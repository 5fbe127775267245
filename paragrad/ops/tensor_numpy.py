"""numpy's own spelling for Variables of arrays: ``v.sum(axis=0)``, ``v.T``, ``np.exp(v)``, ``np.concatenate([v, w])``.

The kernel knows no arrays; it asks here by name (``registry.facets``) before it falls back to plain values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from paragrad.ops import tensor
from paragrad.trace.variable import Variable

_SAME = (
    "clip", "concatenate", "cos", "exp", "expand_dims", "expm1", "log", "log1p", "max", "maximum", "mean", "min", "minimum", "reshape", "sin", "sqrt",
    "square", "squeeze", "stack", "sum", "swapaxes", "tanh", "transpose", "var", "where",
)  # fmt: skip
FUNCTIONS: Mapping[str, Callable[..., Any]] = {name: getattr(tensor, name) for name in _SAME} | {
    "amax": tensor.max,
    "amin": tensor.min,
    "dot": lambda a, b: a @ b,
    "matmul": lambda a, b: a @ b,
    "ravel": lambda x: tensor.reshape(x, -1),
}
"""numpy's name to the traced function."""

METHODS = frozenset({"clip", "dot", "flatten", "max", "mean", "min", "ravel", "reshape", "squeeze", "sum", "swapaxes", "transpose", "var"})
"""Methods of arrays that Variables have too."""


def array_method(variable: Variable[Any], name: str) -> Any:
    """The traced method (or ``T``) of a Variable of an array; NotImplemented when there is none."""
    if not hasattr(variable._n.value, "__array_interface__"):
        return NotImplemented
    if name == "T":
        return tensor.transpose(variable)
    if name not in METHODS:
        return NotImplemented
    function = FUNCTIONS["ravel" if name == "flatten" else name]

    def method(*args: Any, **kwargs: Any) -> Any:
        if name in ("reshape", "transpose") and len(args) > 1:  # v.reshape(2, 3)
            args = (args,)
        return function(variable, *args, **kwargs)

    method.__name__ = name
    return method


def array_function(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """numpy's function ``name`` on Variables, traced; NotImplemented when only plain values will do."""
    function = FUNCTIONS.get(name)
    if function is None or kwargs.keys() - {"axis", "keepdims"}:
        return NotImplemented
    return function(*args, **kwargs)
