"""Values that are given: scalars as Python's numbers, arrays of floats as float64, so that densities have all their digits."""

from __future__ import annotations

from typing import Any

from paragrad.errors import UsageError
from paragrad.trace.values import is_numeric
from paragrad.trace.variable import Variable

PLAIN = frozenset({float, int, bool, str})


def plain_value(value: Any, address: Any) -> Any:
    """A value as a choice holds it: numpy's and torch's scalars are Python's, floats are float64 and whole numbers int64.

    Args:
        value: whatever was given; what is no number, array, tensor or Variable is taken as it is.
        address: of the choice, for messages.

    Raises:
        UsageError: a tensor or Variable that requires a gradient, which would be lost.
    """
    if value.__class__ in PLAIN:
        return value
    if isinstance(value, Variable):
        if value._n.requires and is_numeric(value._n.value):
            raise _lost(value, address, ".value")
        return plain_value(value.value, address)
    if hasattr(value, "detach") and hasattr(value, "numpy"):
        if value.requires_grad:
            raise _lost(value, address, ".detach()")
        value = (value.double() if value.is_floating_point() else value).cpu().numpy()
    kind = getattr(getattr(value, "dtype", None), "kind", None)
    if kind is None or not hasattr(value, "ndim"):
        return value
    if value.ndim == 0:
        return float(value) if kind == "f" else value.item()
    wanted = "float64" if kind == "f" else "int64" if kind in "iu" else value.dtype
    return value if value.dtype == wanted else value.astype(wanted)


def has_nan(value: Any) -> bool:
    """Whether it is nan, or an array with one in it."""
    if isinstance(value, float):
        return value != value
    return getattr(getattr(value, "dtype", None), "kind", "") == "f" and bool((value != value).any())


def _lost(value: Any, address: Any, fix: str) -> UsageError:
    return UsageError(
        f"the value given at {address!r:.80} requires a gradient, which a choice map would lose ({value!r:.60}); give its {fix}, "
        "and ask gen.choice_gradients for the derivative"
    )
