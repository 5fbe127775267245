"""Tensor: an array of numbers of any library, kept as a read-only numpy array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paragrad.spaces.arrays import array_of, copied, dtype_name, from_bytes, is_array, is_lazy, made_by, to_bytes, widens
from paragrad.spaces.base import Base, words_of
from paragrad.spaces.plain import load, short, unfence
from paragrad.spaces.wording import shorten

MAX_SHOWN = 64
"""Elements up to which an array is shown in full."""


class Tensor(Base[Any]):
    """An array. numpy arrays, torch tensors, nested lists and numbers come in; a read-only C-contiguous numpy copy is kept.

    Arrays keep their dtype; lists get int64, float64 or bool. nan is allowed where no bound is set.

    Args:
        shape: the exact shape, or None for any.
        dtype: the element type, or None for any. Narrower arrays are widened to it, wider ones refused.
        low: smallest value, a number or an array that broadcasts to the shape; None for no bound.
        high: largest value, likewise.
    """

    kind = "tensor"
    reads_back = False
    settles = True
    adds = True
    shape: tuple[int, ...] | None
    dtype: str | None
    low: Any
    high: Any

    def __init__(self, shape: Sequence[int] | int | None = None, dtype: Any = None, low: Any = None, high: Any = None) -> None:
        self._fix(shape=_shape(shape), dtype=None if dtype is None else dtype_name(dtype))
        self._fix(low=_bound("low", low), high=_bound("high", high))
        if low is not None and high is not None:
            import numpy

            if numpy.any(numpy.asarray(self.low) > numpy.asarray(self.high)):
                raise ValueError(f"low={short(low)} is above high={short(high)}")

    def options(self) -> dict[str, Any]:
        """shape, dtype, low, high."""
        return {"shape": _thaw(self.shape), "dtype": self.dtype, "low": _thaw(self.low), "high": _thaw(self.high)}

    def check(self, value: Any) -> Any:
        """A read-only copy. An initializer is asked for its array.

        Raises:
            TypeError: no array of numbers, or a dtype that would be narrowed.
            ValueError: another shape, ragged lists, or an element out of bounds (nan is, when there are bounds).
        """
        if self.low is None and self.high is None:
            array = copied(value, self.shape, self.dtype)
            if array is not None:
                return array
        array = made_by(value, self.dtype) if is_lazy(value) else array_of(value, self.dtype)
        if self.shape is not None and array.shape != self.shape:
            raise ValueError(f"the array has the shape {array.shape}, wanted {self.shape}; reshape it, or give the Tensor shape=None")
        if self.low is not None or self.high is not None:
            self._check_bounds(array)
        return array

    @property
    def decided_by_form(self) -> bool:
        """Whether shape and element type alone decide what it accepts."""
        return self.low is None and self.high is None

    def form(self, value: Any) -> tuple[tuple[int, ...], str]:
        """Shape and element type of a value, or of an initializer."""
        return tuple(value.shape), dtype_name(value.dtype)

    def fitted(self, data: Any, form: tuple[tuple[int, ...], str], reshape: bool = False) -> tuple[Any, Tensor]:
        """New data in the place of a value of ``form``, and the space that holds it from now on.

        Args:
            data: an array, lists, a number, or an initializer, which stays one.
            form: shape and element type now. Narrower data are widened to the type.
            reshape: whether the shape may change.

        Raises:
            TypeError: no numbers, or data that would be narrowed.
            ValueError: another shape, or an element out of bounds.
        """
        shape, dtype = form
        if is_lazy(data):
            if not widens(dtype_name(data.dtype), dtype):
                raise TypeError(f"data: {dtype_name(data.dtype)} does not fit {dtype} without loss; write dtype={dtype!r}")
            found = data.cast(dtype) if dtype_name(data.dtype) != dtype and hasattr(data, "cast") else data
        elif data.__class__ is bool:
            raise TypeError(f"data: {data} is a bool, not a number; write {int(data)}")
        else:
            found = array_of(data, dtype)
        if tuple(found.shape) != shape and not reshape:
            wanted = f"the data have the shape {tuple(found.shape)}, the Parameter {shape}"
            raise ValueError(f"{wanted}; reshape them, or write slice_shape=True to change the Parameter's")
        space = self if self.shape in (None, tuple(found.shape)) else Tensor(found.shape, self.dtype, self.low, self.high)
        return (found if is_lazy(found) else space.check(found)), space

    def show(self, value: Any, limit: int | None = None) -> str:
        """Element type and shape, then the elements, or their smallest, mean and largest when there are many."""
        head = f"{value.dtype.name}{list(value.shape)}"
        if value.size <= MAX_SHOWN:
            return shorten(f"{head} {value.tolist()}", limit)
        return shorten(f"{head} from {value.min():.6g} over {value.mean():.6g} (mean) to {value.max():.6g}", limit)

    def parse(self, text: str) -> Any:
        """A JSON list of numbers, bare or in a json fence."""
        return self._read(load(unfence(words_of(self.kind, text), ("json",)), what="a JSON list of numbers"))

    def encode(self, value: Any) -> bytes:
        """A self-describing header, little-endian elements and a digest (``arrays.to_bytes``)."""
        return to_bytes(value)

    def decode(self, data: bytes) -> Any:
        """The array of those bytes, checked."""
        return self._read(from_bytes(data))

    def apply(self, value: Any, update: Any) -> Any:
        """The sum, clipped to the bounds, in the value's dtype; sums of ints are rounded (half to even).

        Raises:
            TypeError: no numbers, or an array of bools.
            ValueError: the update has another shape (a number fits every shape).
        """
        import numpy

        delta = array_of(update)
        if value.dtype.kind == "b":
            raise TypeError("an array of bools has no sum; give it a new value")
        if delta.shape not in ((), value.shape):
            raise ValueError(f"the update has the shape {delta.shape}, the value {value.shape}; they must be equal")
        with numpy.errstate(all="ignore"):
            total = value + delta if "f" in (value.dtype.kind, delta.dtype.kind) else _int_sum(value, delta)
            if self.low is not None or self.high is not None:
                total = numpy.clip(total, self.low, self.high)
            if value.dtype.kind != "f":
                total = _rounded(total, value.dtype)
            return self.check(numpy.asarray(total).astype(value.dtype))

    def diff(self, a: Any, b: Any) -> str:
        """Shapes or types when they differ; else how many elements changed and by how much at most."""
        import numpy

        if a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes():
            return ""
        if a.dtype != b.dtype or a.shape != b.shape:
            return f"{a.dtype.name}{list(a.shape)} → {b.dtype.name}{list(b.shape)}"
        with numpy.errstate(all="ignore"):
            gap = numpy.abs(b.astype("float64") - a.astype("float64"))
        changed = int(numpy.count_nonzero(~(gap == 0)))
        known = gap[~numpy.isnan(gap)]
        most = f"{known.max():.6g}" if known.size else "nan"
        small = f": {_digits(a)} → {_digits(b)}" if a.size <= 8 and _digits(a) != _digits(b) else ""
        return f"{a.dtype.name}{list(a.shape)} {changed} of {a.size} changed, at most by {most}{small}"

    def _check_bounds(self, array: Any) -> None:
        import numpy

        for bound, words, holds in ((self.low, "below", numpy.greater_equal), (self.high, "above", numpy.less_equal)):
            if bound is None:
                continue
            try:
                wrong = ~numpy.broadcast_to(holds(array, numpy.asarray(bound)), array.shape)
            except ValueError:
                raise ValueError(f"the bound {short(bound)} does not fit the shape {array.shape}") from None
            if wrong.any():
                index = tuple(int(part) for part in numpy.argwhere(wrong)[0])
                raise ValueError(f"data{list(index) if index else ''}: {array[index]} is {words} the bound {short(bound)}, or nan")

    def _read(self, found: Any) -> Any:
        if not isinstance(found, list | int | float) and not is_array(found):
            raise ValueError(f"{short(found)} is not a list of numbers; write one, as in [0.5, 1.0]")
        try:
            return self.check(found)
        except TypeError as error:
            raise ValueError(str(error)) from None


def _shape(shape: Any) -> tuple[int, ...] | None:
    sizes = (shape,) if isinstance(shape, int) else shape
    if sizes is None:
        return None
    if isinstance(sizes, str) or not isinstance(sizes, Sequence):
        raise TypeError(f"shape must be a tuple of ints or None, got {short(shape)}")
    for size in sizes:
        if isinstance(size, bool) or not isinstance(size, int) or size < 0:
            raise ValueError(f"shape must hold ints from 0 up, got {short(shape)}")
    return tuple(int(size) for size in sizes)


def _bound(name: str, bound: Any) -> Any:
    """A number or nested tuples of numbers."""
    if bound is None:
        return None
    array = array_of(bound)
    if array.dtype.kind == "b" or (array.dtype.kind == "f" and not bool((array - array == 0).all())):
        raise ValueError(f"{name} must hold finite numbers, got {short(bound)}")
    return _freeze(array.tolist())


def _freeze(value: Any) -> Any:
    return tuple(map(_freeze, value)) if isinstance(value, list) else value


def _thaw(value: Any) -> Any:
    return list(map(_thaw, value)) if isinstance(value, tuple) else value


def _int_sum(value: Any, delta: Any) -> Any:
    """The exact sum, as objects where int64 would wrap around."""
    import numpy

    largest = numpy.abs(value.astype("float64")) + numpy.abs(delta.astype("float64"))
    kind = "int64" if not largest.size or largest.max() < 2.0**62 else object
    return value.astype(kind) + delta.astype(kind)


def _rounded(total: Any, dtype: Any) -> Any:
    """Whole numbers inside the range of an int type."""
    import numpy

    bounds = numpy.iinfo(dtype)
    whole = numpy.rint(total) if total.dtype.kind == "f" else total
    if not numpy.all((whole >= bounds.min) & (whole <= bounds.max)):
        raise ValueError(f"the sum does not fit {dtype.name}")
    return whole


def _digits(array: Any) -> str:
    """The elements of a small array, floats to six digits."""
    return str(_brief(array.tolist()))


def _brief(value: Any) -> Any:
    return [_brief(x) for x in value] if isinstance(value, list) else float(f"{value:.6g}") if isinstance(value, float) else value
