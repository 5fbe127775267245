"""numpy's own spelling for Variables of arrays: ``v.sum(axis=0)``, ``v.T``, ``np.exp(v)``, ``np.concatenate([v, w])``.

The kernel knows no arrays; it asks here by name (``registry.facets``) before it falls back to plain values.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from paragrad.ops import pairs, tensor
from paragrad.trace.variable import Variable


def _clip(x: Any, low: Any = None, high: Any = None, **named: Any) -> Any:
    """``clip`` with numpy's names of its bounds."""
    bounds = {"min": low, "max": high} | {name.removeprefix("a_"): bound for name, bound in named.items()}
    return tensor.clip(x, bounds["min"], bounds["max"])


_SAME = (
    "concatenate", "cos", "exp", "expand_dims", "expm1", "log", "log10", "log1p", "log2", "max", "maximum", "mean", "min", "minimum", "reshape", "sin", "sqrt",
    "square", "squeeze", "stack", "sum", "swapaxes", "tanh", "transpose", "var", "where",
)  # fmt: skip
FUNCTIONS: Mapping[str, Callable[..., Any]] = {name: getattr(tensor, name) for name in _SAME} | {
    "amax": tensor.max,
    "amin": tensor.min,
    "clip": _clip,
    **{name: getattr(pairs, name) for name in ("dot", "hstack", "matmul", "outer", "ravel", "std", "vstack")},
}
"""numpy's name to the traced function."""

_TAKEN: Mapping[str, Collection[str]] = {"clip": {"a_max", "a_min", "max", "min"}}

METHODS = frozenset(
    {"clip", "dot", "flatten", "max", "mean", "min", "ravel", "reshape", "squeeze", "std", "sum", "swapaxes", "transpose", "var"}
)
"""Methods of arrays that Variables have too."""


def array_method(variable: Variable[Any], name: str) -> Any:
    """The traced method (or ``T``) of a Variable of an array; NotImplemented when there is none."""
    if not hasattr(variable._n.value, "__array_interface__"):
        return NotImplemented
    if name == "T":
        return tensor.transpose(variable)
    if name == "astype":
        return variable.cast  # type: ignore[attr-defined]
    if name not in METHODS:
        return NotImplemented
    function = FUNCTIONS["ravel" if name == "flatten" else name]

    def method(*args: Any, **kwargs: Any) -> Any:
        if name in ("flatten", "ravel") and (args or kwargs):
            raise TypeError(f"{name} of a Variable takes no order; its rows stay together")
        if name in ("reshape", "transpose") and len(args) > 1:  # v.reshape(2, 3)
            args = (args,)
        return function(variable, *args, **kwargs)

    method.__name__ = name
    return method


def array_function(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """numpy's function ``name`` on Variables, traced; NotImplemented when only plain values will do."""
    function = FUNCTIONS.get(name)
    if function is None or kwargs.keys() - _TAKEN.get(name, {"axis", "keepdims"}):
        return NotImplemented
    return function(*args, **kwargs)
