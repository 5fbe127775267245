"""Number: one int or float, with bounds."""

from __future__ import annotations

import math
import numbers
import re
from typing import Any

from paragrad.spaces.arrays import array_of, is_lazy
from paragrad.spaces.base import Base, words_of
from paragrad.spaces.plain import dump, load, plain_number, short
from paragrad.spaces.tensor import Tensor
from paragrad.spaces.wording import change, shorten

_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")


class Number(Base[float]):
    """A finite number: a float, or an int when ``integer``. Bools are refused; they are a ``Choice([False, True])``.

    Args:
        low: smallest value allowed, or None.
        high: largest value allowed, or None.
        integer: whole numbers only.
        log: hint for search: steps are proportional to the value; ``low`` must then be above 0.
    """

    kind = "number"
    plain = True
    adds = True
    low: float | None
    high: float | None
    integer: bool
    log: bool

    def __init__(self, low: float | None = None, high: float | None = None, integer: bool = False, log: bool = False) -> None:
        for name, flag in (("integer", integer), ("log", log)):
            if not isinstance(flag, bool):
                raise TypeError(f"{name} must be True or False, got {short(flag)}")
        self._fix(integer=integer, log=log, low=None, high=None)
        self._fix(low=self._bound("low", low), high=self._bound("high", high))
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"low={self.low} is above high={self.high}")
        if log and (self.low is None or self.low <= 0):
            raise ValueError(f"log=True needs a low above 0, got {self.low}; write low=1e-6, say")

    def options(self) -> dict[str, Any]:
        """low, high, integer, log."""
        return {"low": self.low, "high": self.high, "integer": self.integer, "log": self.log}

    def check(self, value: Any) -> float:
        """The number as an int or a float.

        Raises:
            TypeError: not a number; a bool is none.
            ValueError: nan, infinity, out of bounds, a fraction where an integer is wanted, or an int no float can hold.
        """
        number = self._typed("data", value)
        if self.low is not None and number < self.low:
            raise ValueError(f"{short(number)} is below {self.low}")
        if self.high is not None and number > self.high:
            raise ValueError(f"{short(number)} is above {self.high}")
        return number

    def form(self, value: Any) -> tuple[tuple[int, ...], str]:
        """Shape and element type that a number counts for as a tensor; it is kept unrounded all the same."""
        return (), "int64" if self.integer else "float32"

    def fitted(self, data: Any, form: tuple[tuple[int, ...], str], reshape: bool = False) -> tuple[Any, Any]:
        """New data in the place of a number, and the space that holds it from now on: a Tensor when the shape changes.

        Raises:
            TypeError: no number, or a fraction in the place of an int64.
            ValueError: another shape, or a number out of bounds.
        """
        array = array_of(data.materialize() if is_lazy(data) else data) if not isinstance(data, numbers.Real) else None
        if array is not None and array.shape:
            whole = Tensor((), form[1])
            value = whole.fitted(data, form, reshape)[0]
            space = Tensor(tuple(value.shape), form[1], self.low, self.high)
            return space.check(value), space
        number = data if array is None else array.item()
        if self.integer and isinstance(number, float):
            raise TypeError(f"data: {number} does not fit int64 without loss; write int({number})")
        return self.check(number), self

    def show(self, value: float, limit: int | None = None) -> str:
        """The shortest digits that give the number back."""
        return shorten(str(value), limit)

    def parse(self, text: str) -> float:
        """A number in plain digits: ``3``, ``-0.5``, ``1e-3``; nothing around it but blanks."""
        words = words_of(self.kind, text).strip()
        if len(words) > 1000 or not _NUMBER.fullmatch(words):
            raise ValueError(f"{short(words)} is not {self._wanted()}; write only its digits")
        whole = words.lstrip("+-").isdigit()
        return self.check(int(words) if whole else float(words))

    def encode(self, value: float) -> bytes:
        """JSON digits."""
        return dump(value).encode()

    def decode(self, data: bytes) -> float:
        """The number of JSON digits."""
        number = load(data, what="a number")
        try:
            return self.check(number)
        except TypeError as error:
            raise ValueError(str(error)) from None

    def apply(self, value: float, update: Any) -> float:
        """The sum, clipped to the bounds; an integer stays one by rounding (half to even).

        Raises:
            TypeError: the update is not a number.
            ValueError: the sum is nan or infinite.
        """
        if isinstance(update, bool) or not isinstance(update, numbers.Real):
            raise TypeError(f"a number is updated by adding a number, got {short(update)}")
        total: Any = value + update
        if self.low is not None:
            total = max(total, self.low)
        if self.high is not None:
            total = min(total, self.high)
        if self.integer and math.isfinite(total):
            total = round(total)
        return self.check(total)

    def diff(self, a: float, b: float) -> str:
        """``old → new``, to six digits where that tells them apart."""
        brief = [str(x) if isinstance(x, int) or len(str(x)) <= 8 else f"{x:.6g}" for x in (a, b)]
        return change(*(brief if brief[0] != brief[1] else (str(a), str(b))))

    def _typed(self, name: str, value: Any) -> float:
        """An int or a float, without regard to bounds."""
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise TypeError(f"{name}: {short(value)} is {type(value).__name__}, not {self._wanted()}")
        number = plain_number(value, name)
        if not self.integer:
            return _exact(number)
        if number != int(number):
            raise ValueError(f"{number} is not an integer; write {math.floor(number)} or {math.ceil(number)}")
        return int(number)

    def _bound(self, name: str, value: Any) -> float | None:
        return None if value is None else self._typed(name, value)

    def _wanted(self) -> str:
        return "an integer" if self.integer else "a number"


def _exact(number: int | float) -> float:
    """The float; -0.0 becomes 0.0, so that equal numbers have equal bytes."""
    try:
        real = float(number) + 0.0
    except OverflowError:
        real = math.inf
    if real != number:
        raise ValueError(f"{short(number)} does not fit a float exactly; write float(value), or space=pg.Number(integer=True)")
    return real
