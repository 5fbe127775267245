"""The arithmetic of gradient accumulators: sums of numbers and arrays, plain or exact.

An accumulator is immutable: its ``terms`` are numbers (or arrays) whose sum is the gradient. A plain
one has one term. An exact one keeps the rounding errors as further terms (J. R. Shewchuk, "Adaptive
precision floating-point arithmetic", 1997), so the sum, rounded once at the end, does not depend on
the order of the pushes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from paragrad.stores.sealing import pack, unpack

_LARGEST = {2: 65504.0, 4: 3.4028234663852886e38, 8: 1.7976931348623157e308}


@dataclass(frozen=True, slots=True)
class Accumulator:
    """What was pushed and not yet taken.

    Attributes:
        shape: of the parameter; None for a number.
        dtype: of the gradient as it is handed out.
        count: pushes so far.
        terms: floats or arrays whose sum is the gradient; empty for zero.
    """

    shape: tuple[int, ...] | None
    dtype: str
    count: int = 0
    terms: tuple[Any, ...] = ()


def blank(value: Any) -> Accumulator | None:
    """The empty accumulator for a value, or None for values that have no numeric gradient."""
    if isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool)):
        return Accumulator(None, "float64")
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape is None or dtype is None:
        return None
    kind = getattr(dtype, "kind", "f")
    return Accumulator(tuple(shape), str(dtype) if kind == "f" else "float64") if kind in "fiu" else None


def checked(id: str, acc: Accumulator, delta: Any, scale: float = 1.0) -> Any:
    """``delta`` as a float, or as an array of floats of the accumulator's shape; never a copy of an array that fits.

    Raises:
        TypeError: not numeric, or complex.
        ValueError: another shape, or ``delta * scale`` is nan, infinite or beyond the accumulator's type: added, it
            would spoil what others have pushed.
    """
    if type(delta).__module__ == "torch":
        delta = _host(delta)
    if acc.shape is None:
        return _checked_number(id, delta, scale)
    import numpy

    try:
        array = numpy.asarray(delta)
    except (TypeError, ValueError) as error:
        raise type(error)(f"the gradient of {id!r:.120} is no array ({str(error)[:120]}); give one number per element") from None
    if array.dtype.kind not in "fiu":
        raise TypeError(f"the gradient of {id!r:.120} must hold real numbers, not {array.dtype}; convert it to {acc.dtype}")
    if array.shape != acc.shape:
        raise ValueError(f"the gradient of {id!r:.120} has shape {array.shape}, the parameter {acc.shape}; give one number per element")
    if array.dtype.kind != "f":
        array = array.astype(working_dtype(acc))
    limit = min(largest_of(array.dtype), largest_of(numpy.dtype(acc.dtype)))
    if not within(array, scale, limit):
        _refuse_unfinished(id, array, scale, limit)
    return array


def _checked_number(id: str, delta: Any, scale: float) -> float:
    if getattr(delta, "shape", ()) != ():
        raise ValueError(f"the gradient of {id!r:.120} has shape {tuple(delta.shape)}, the parameter is one number; give a float")
    if hasattr(delta, "item"):
        delta = delta.item()
    if isinstance(delta, bool) or not isinstance(delta, int | float):
        raise TypeError(f"the gradient of {id!r:.120} must be a number, not {type(delta).__name__} ({delta!r:.60}); give a float")
    try:
        found = float(delta)
    except OverflowError:  # a whole number of hundreds of digits
        found = math.inf
    if not math.isfinite(found * scale):
        raise unfinished(id, f"is {found * scale}" if math.isfinite(scale) else f"is multiplied by scale={scale}")
    return found


def _host(tensor: Any) -> Any:
    """A torch tensor as numpy can read it: without its graph, on the host, of a type that numpy has."""
    found = tensor.detach().cpu()
    return found.float() if str(found.dtype) == "torch.bfloat16" else found


def within(array: Any, scale: float, limit: float = _LARGEST[8]) -> bool:
    """Whether ``array * scale`` surely is finite and not beyond ``limit``: one fast pass, which may doubt what is very large."""
    import numpy

    return float(numpy.vdot(array, array)) * scale * scale < limit * limit


def largest_of(dtype: Any) -> float:
    """The largest number of a type of floats."""
    return _LARGEST.get(dtype.itemsize, _LARGEST[8])


def _refuse_unfinished(id: str, array: Any, scale: float, limit: float) -> None:
    import numpy

    with numpy.errstate(all="ignore"):
        bad = ~(numpy.abs(array, dtype="float64") * abs(scale) <= limit)
    if not bad.any():
        if not math.isfinite(scale):
            raise unfinished(id, f"is multiplied by scale={scale}")
        return
    first = tuple(map(int, numpy.argwhere(bad)[0]))
    times = "" if scale == 1.0 else f" times {scale:g}"
    where = f"in {int(bad.sum())} of {bad.size} elements, the first at {list(first)}: {array[first]}{times}"
    raise unfinished(id, f"is nan, infinite or too large {where}")


def unfinished(id: str, what: str) -> ValueError:
    """The error of a push that would spoil the sum."""
    return ValueError(
        f"the gradient of {id!r:.120} {what}; nothing was added and what others pushed is kept: find its cause (a division by 0, "
        "the log of 0, a step that is too long), or leave this push out"
    )


def working_dtype(acc: Accumulator) -> str:
    """What sums are kept in: the parameter's type, but at least float32."""
    return "float32" if acc.dtype == "float16" else acc.dtype


def pushed(acc: Accumulator, delta: Any, scale: float, exact: bool) -> Accumulator:
    """The accumulator after ``delta * scale``; ``delta`` was checked."""
    term = delta if scale == 1.0 else delta * scale
    return replace(acc, count=acc.count + 1, terms=_plus(acc, term, exact))


def merged(acc: Accumulator, other: Accumulator, exact: bool) -> Accumulator:
    """Both together: what a lease gives back."""
    total = acc
    for term in other.terms:
        total = replace(total, terms=_plus(total, term, exact))
    return replace(total, count=acc.count + other.count)


def total(acc: Accumulator) -> Any:
    """The gradient: a float, or a new array."""
    if acc.shape is None:
        return _number_total(acc.terms)
    import numpy

    if not acc.terms:
        return numpy.zeros(acc.shape, acc.dtype)
    found = acc.terms[0] if len(acc.terms) == 1 else _array_total(acc.terms)
    with numpy.errstate(over="ignore"):  # a sum beyond float16 is an infinity, which a step refuses
        return found.astype(acc.dtype)


def _plus(acc: Accumulator, term: Any, exact: bool) -> tuple[Any, ...]:
    if acc.shape is None:
        return _grown_numbers(acc.terms, term) if exact else (acc.terms[0] + term if acc.terms else 0.0 + term,)
    import numpy

    if exact:
        return _grown_arrays(acc.terms, numpy.asarray(term, dtype="float64"))
    if acc.terms:
        with numpy.errstate(over="ignore", invalid="ignore"):  # a sum that is no number is refused by the step, by name
            return ((acc.terms[0] + term).astype(working_dtype(acc), copy=False),)
    return (numpy.array(term, dtype=working_dtype(acc)),)


def _number_total(terms: tuple[float, ...]) -> float:
    if all(map(math.isfinite, terms)):
        return math.fsum(terms)
    return sum(terms)


def _grown_numbers(terms: tuple[float, ...], x: float) -> tuple[float, ...]:
    """Exact partial sums; a result that is not finite is kept as it is."""
    grown = []
    for y in terms:
        high = x + y
        if not math.isfinite(high):
            return (high,)
        part = high - x
        low = (x - (high - part)) + (y - part)
        if low:
            grown.append(low)
        x = high
    return (*grown, x)


def _grown_arrays(terms: tuple[Any, ...], x: Any) -> tuple[Any, ...]:
    """The same for arrays, element by element; zero terms sink to the end and fall off."""
    import numpy

    grown = []
    with numpy.errstate(invalid="ignore", over="ignore"):
        for y in terms:
            high = x + y
            part = high - x
            low = (x - (high - part)) + (y - part)
            low[~numpy.isfinite(high)] = 0.0
            grown.append(low)
            x = high
    grown.append(x)
    for last in range(len(grown) - 1, 0, -1):
        for place in range(last):
            gap = grown[place] == 0
            if gap.any():
                grown[place] = numpy.where(gap, grown[place + 1], grown[place])
                grown[place + 1] = numpy.where(gap, 0.0, grown[place + 1])
    while len(grown) > 1 and not grown[-1].any():
        grown.pop()
    return tuple(grown)


def _array_total(terms: tuple[Any, ...]) -> Any:
    """The exact sum of each element's terms, rounded once."""
    import numpy

    out = terms[0].copy()
    several = terms[1] != 0
    if several.any():
        columns = zip(*(term[several].tolist() for term in terms), strict=True)
        out[several] = numpy.array([_number_total(column) for column in columns])
    return out


def encode(acc: Accumulator) -> bytes:
    """As bytes, without pickle."""
    header = {"shape": acc.shape, "dtype": acc.dtype, "count": acc.count}
    if acc.shape is None:
        return pack({**header, "terms": acc.terms})
    kinds = [str(term.dtype) for term in acc.terms]
    return pack({**header, "kinds": kinds}, [term.tobytes() for term in acc.terms])


def decode(data: bytes) -> Accumulator:
    """The inverse of :func:`encode`."""
    header, blobs = unpack(data)
    return _decoded(header, blobs)


def _decoded(header: Mapping[str, Any], blobs: list[bytes]) -> Accumulator:
    if header["shape"] is None:
        return Accumulator(None, header["dtype"], header["count"], tuple(header["terms"]))
    import numpy

    shape = tuple(header["shape"])
    terms = (numpy.frombuffer(blob, kind).reshape(shape) for blob, kind in zip(blobs, header["kinds"], strict=True))
    return Accumulator(shape, header["dtype"], header["count"], tuple(terms))
