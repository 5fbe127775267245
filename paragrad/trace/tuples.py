"""ParameterTuple: Parameters that are cloned together under a prefix."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from typing import Any, SupportsIndex, overload

from paragrad.errors import UsageError
from paragrad.trace.parameter import Parameter
from paragrad.trace.values import brief
from paragrad.trace.variable import Variable

_PREFIX = re.compile(r"\w+[0-9a-zA-Z_.]*")


class ParameterTuple(tuple[Parameter[Any], ...]):
    """A tuple of Parameters with different names; one that appears twice is one Parameter. Slices and sums are ParameterTuples.

    Args:
        parameters: the Parameters.

    Raises:
        TypeError: something else among them.
        UsageError: two different Parameters with one name.
    """

    __slots__ = ()

    def __new__(cls, parameters: Iterable[Parameter[Any]] = ()) -> ParameterTuple:
        if isinstance(parameters, Variable) or not hasattr(parameters, "__iter__"):
            raise TypeError(f"ParameterTuple takes Parameters in a list or tuple, not {parameters!r}; write ParameterTuple((p, q))")
        made = super().__new__(cls, parameters)
        known: dict[str, Parameter[Any]] = {}
        for place, parameter in enumerate(made):
            if not isinstance(parameter, Parameter):
                raise TypeError(f"element {place} is {parameter!r:.60} of type {type(parameter).__name__}, not a Parameter")
            if known.setdefault(parameter.name, parameter) is not parameter:
                raise UsageError(
                    f"two different Parameters are called {parameter.name!r} (the second is element {place}); give them names of their own"
                )
        return made

    def clone(self, prefix: str, init: Any = "same") -> ParameterTuple:
        """Independent copies named ``prefix.name``; a Parameter that is here twice is copied once.

        Args:
            prefix: letters, digits, ``_`` and ``.``, not beginning with a dot.
            init: as :meth:`Parameter.clone` takes it.

        Raises:
            ValueError: no such prefix.
        """
        if not isinstance(prefix, str) or not _PREFIX.fullmatch(prefix):
            raise UsageError(f"prefix must be letters, digits, '_' and '.', not beginning with '.', got {prefix!r}")
        copies: dict[int, Parameter[Any]] = {}
        for parameter in self:
            if id(parameter) not in copies:
                copies[id(parameter)] = copy = parameter.clone(init)
                copy.name = f"{prefix}.{parameter.name}"
        return type(self)(copies[id(parameter)] for parameter in self)

    @overload
    def __getitem__(self, index: SupportsIndex) -> Parameter[Any]: ...
    @overload
    def __getitem__(self, index: slice) -> ParameterTuple: ...
    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        return type(self)(found) if isinstance(index, slice) else found

    def __contains__(self, parameter: object) -> bool:
        """Whether this very Parameter is among them; equal values do not count."""
        return any(one is parameter for one in self)

    def index(self, parameter: Any, start: SupportsIndex = 0, stop: SupportsIndex = sys.maxsize) -> int:
        """The first place of this very Parameter."""
        for place in range(len(self))[start:stop]:
            if self[place] is parameter:
                return place
        raise ValueError(f"{brief(parameter)} is not among these Parameters")

    def count(self, parameter: Any) -> int:
        """How often this very Parameter is among them."""
        return sum(one is parameter for one in self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, tuple):
            return NotImplemented
        return len(self) == len(other) and all(a is b for a, b in zip(self, other, strict=True))

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = tuple.__hash__

    def __add__(self, other: Any) -> Any:
        """Both, as a ParameterTuple when ``other`` holds only Parameters."""
        joined = super().__add__(other)
        return type(self)(joined) if all(isinstance(part, Parameter) for part in other) else joined
