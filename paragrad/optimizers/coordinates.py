"""Coordinates: numbers and small tensors as one list of floats, scaled so that a step of 0.1 is a modest one everywhere."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paragrad.optimizers.ranges import range_of
from paragrad.protocols.evidence import ParameterEvidence


@dataclass(frozen=True, slots=True)
class Axis:
    """One coordinate: 0 at ``low``, 1 at ``high``.

    Attributes:
        low, high: the range as kept in the state; on a log scale already logarithms.
        log, integer: how values are read off.
        least, most: hard bounds of the value, or None.
    """

    low: float
    high: float
    log: bool = False
    integer: bool = False
    least: float | None = None
    most: float | None = None

    @property
    def finest(self) -> float:
        """The smallest step that can change an integer now and then; 0 for others."""
        return 0.35 / (self.high - self.low) if self.integer and not self.log and self.high > self.low else 0.0

    def write(self, value: float) -> float:
        """The coordinate of a value."""
        position = math.log(value) if self.log else value
        return (position - self.low) / (self.high - self.low) if self.high > self.low else 0.0

    def read(self, coordinate: float) -> float:
        """The value at a coordinate, inside the bounds."""
        position = self.low + coordinate * (self.high - self.low)
        value = math.exp(min(position, 700.0)) if self.log else position
        if self.integer:
            value = float(round(value))
        value = value if self.least is None else max(value, self.least)
        return value if self.most is None else min(value, self.most)


class Coordinates:
    """Values of some Parameters as one list of floats, in the Parameters' order.

    Args:
        parameters: Numbers and Tensors to search.
        ranges: ``{id: [[low, high], ...]}`` as :meth:`ranges` once gave it, so that the scale stays the first one.
    """

    def __init__(self, parameters: Mapping[str, ParameterEvidence], ranges: Mapping[str, Any]) -> None:
        self.parameters = parameters
        self.axes = {id: _axes(p, ranges.get(id)) for id, p in parameters.items()}
        self.size = sum(map(len, self.axes.values()))

    def ranges(self) -> dict[str, Any]:
        """The scale as plain data."""
        return {id: [[axis.low, axis.high] for axis in axes] for id, axes in self.axes.items()}

    def finest(self) -> list[float]:
        """The smallest useful step of every coordinate."""
        return [axis.finest for axes in self.axes.values() for axis in axes]

    def write(self, values: Mapping[str, Any]) -> list[float]:
        """The coordinates of values."""
        return [axis.write(x) for id, axes in self.axes.items() for axis, x in zip(axes, _flat(values[id]), strict=True)]

    def read(self, coordinates: Sequence[float]) -> dict[str, Any]:
        """The values at coordinates: rounded, in bounds, of the Parameters' own types."""
        values, at = {}, 0
        for id, axes in self.axes.items():
            numbers = [axis.read(x) for axis, x in zip(axes, coordinates[at : at + len(axes)], strict=True)]
            values[id] = _shaped(self.parameters[id], numbers)
            at += len(axes)
        return values


def elements(parameter: Any) -> int:
    """How many coordinates a Number or Tensor takes; 0 for one that cannot be searched (no value, no numbers)."""
    if parameter.kind == "number":
        return 1
    value = parameter.value
    return int(value.size) if value is not None and getattr(value, "dtype", None) is not None and value.dtype.kind in "fiu" else 0


def _axes(parameter: ParameterEvidence, kept: Any) -> list[Axis]:
    spec = parameter.space.spec()
    if parameter.kind == "number":
        log = bool(spec.get("log"))
        low, high = range_of(parameter, reach=1.0) if kept is None else (0.0, 0.0)
        ends = kept[0] if kept is not None else [math.log(low), math.log(high)] if log else [low, high]
        return [Axis(ends[0], ends[1], log, bool(spec.get("integer")), spec.get("low"), spec.get("high"))]
    value = parameter.value
    least, most = _bounds(spec.get("low"), value), _bounds(spec.get("high"), value)
    typical = math.sqrt(sum(x * x for x in _flat(value)) / max(1, value.size)) or 1.0
    found = []
    for i, x in enumerate(_flat(value)):
        low, high = kept[i] if kept is not None else _stretch(x, least[i], most[i], max(abs(x), typical))
        found.append(Axis(low, high, False, value.dtype.kind in "iu", least[i], most[i]))
    return found


def _stretch(value: float, least: float | None, most: float | None, reach: float) -> tuple[float, float]:
    """From bound to bound; where one is missing, ``2 * reach`` long."""
    if least is not None:
        return least, least + 2 * reach if most is None else most
    return (value - reach, value + reach) if most is None else (most - 2 * reach, most)


def _bounds(bound: Any, value: Any) -> list[float | None]:
    """A tensor's bound for each of its elements."""
    if bound is None:
        return [None] * int(value.size)
    import numpy

    return [float(x) for x in numpy.broadcast_to(numpy.asarray(bound), value.shape).ravel()]


def _flat(value: Any) -> list[float]:
    return [float(x) for x in value.ravel()] if hasattr(value, "ravel") else [float(value)]


def _shaped(parameter: ParameterEvidence, numbers: Sequence[float]) -> Any:
    if parameter.kind == "number":
        return int(numbers[0]) if parameter.space.spec().get("integer") else numbers[0]
    import numpy

    made = numpy.asarray(numbers, dtype="float64").reshape(parameter.value.shape).astype(parameter.value.dtype)
    if parameter.value.dtype.kind != "f":
        return made
    spec = parameter.space.spec()
    low, high = spec.get("low"), spec.get("high")  # float32 may round past a bound
    return made if low is None and high is None else numpy.clip(made, low, high).astype(parameter.value.dtype)
