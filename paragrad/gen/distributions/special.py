"""Functions of numbers that are floats most of the time and arrays in batched runs.

On a float they cost a comparison more than ``math``; they return -inf or nan where ``math`` raises.
"""

from __future__ import annotations

import math
from typing import Any

from paragrad.errors import UsageError

INF = math.inf
LOG_ROOT_2PI = 0.5 * math.log(2.0 * math.pi)
_log = math.log


def is_array(value: Any) -> bool:
    """Whether ``value`` holds one number per sample."""
    return getattr(value, "ndim", 0) > 0


def log(x: Any) -> Any:
    """Natural logarithm; -inf at 0, nan below."""
    if x.__class__ is float and x > 0.0:
        return _log(x)
    if is_array(x):
        import numpy

        with numpy.errstate(divide="ignore", invalid="ignore"):
            return numpy.log(x)
    return _log(x) if x > 0 else -INF if x == 0 else math.nan


def exp(x: Any) -> Any:
    """e to the x."""
    if not is_array(x):
        return math.exp(x)
    import numpy

    return numpy.exp(x)


def over(x: Any, y: Any) -> Any:
    """``x / y``; nan where y is 0."""
    if is_array(x) or is_array(y):
        import numpy

        with numpy.errstate(divide="ignore", invalid="ignore"):
            return numpy.true_divide(x, y)
    return x / y if y else math.nan


def choose(condition: Any, inside: Any, outside: Any) -> Any:
    """``inside`` where the condition holds, else ``outside``."""
    if is_array(condition) or is_array(inside):
        import numpy

        return numpy.where(condition, inside, outside)
    return inside if condition else outside


def lgamma(x: Any) -> Any:
    """log |Gamma(x)|; inf at the poles."""
    return _each(_lgamma, x)


def digamma(x: Any) -> Any:
    """The derivative of lgamma, for x > 0; relative error below 1e-13."""
    return _each(_digamma, x)


def floor(x: Any) -> Any:
    """The largest integer not above x, as an int (an integer array for arrays)."""
    if is_array(x):
        import numpy

        return numpy.floor(x).astype(numpy.int64)
    return math.floor(x)


def is_count(x: Any) -> Any:
    """Whether x is an integer that is not negative."""
    return (x >= 0) & (x == floor(x) if is_array(x) else math.isfinite(x) and x == math.floor(x))


def require_positive(x: Any, kind: str, name: str) -> None:
    """Refuse an argument that is not above zero.

    Raises:
        UsageError: naming the distribution and the argument.
    """
    if not (x.__class__ is float and x > 0.0):
        _require(x > 0, x, kind, name, "positive")


def require_probability(x: Any, kind: str, name: str) -> None:
    """Refuse an argument outside [0, 1]."""
    if not (x.__class__ is float and 0.0 <= x <= 1.0):
        _require((x >= 0) & (x <= 1), x, kind, name, "between 0 and 1")


def require_count(x: Any, kind: str, name: str) -> None:
    """Refuse an argument that is no integer >= 0."""
    _require(is_count(x), x, kind, name, "an integer that is not negative")


def _require(good: Any, x: Any, kind: str, name: str, what: str) -> None:
    if not (good.all() if is_array(good) else good):
        raise UsageError(f"{kind}: {name} is {x!r:.60}; it must be {what}")


def _each(function: Any, x: Any) -> Any:
    if not is_array(x):
        return function(float(x))
    import numpy

    return numpy.frompyfunc(function, 1, 1)(x).astype(float)


def _lgamma(x: float) -> float:
    return math.lgamma(x) if x > 0 or x != math.floor(x) else INF


def _digamma(x: float) -> float:
    if not x > 0:
        return math.nan
    total = 0.0
    while x < 10.0:
        total -= 1.0 / x
        x += 1.0
    y = 1.0 / (x * x)
    tail = y * (1 / 12 - y * (1 / 120 - y * (1 / 252 - y * (1 / 240 - y * (1 / 132 - y * 691 / 32760)))))
    return total + _log(x) - 0.5 / x - tail
