"""Flat families: ``uniform``, ``uniform_discrete`` and ``piecewise_uniform``."""

from __future__ import annotations

import math
from bisect import bisect_right
from itertools import pairwise
from typing import Any

from paragrad.errors import UsageError
from paragrad.gen.distributions.base import Family, Gradient
from paragrad.gen.distributions.batch import as_given, is_batch, table
from paragrad.gen.distributions.categorical import checked_probabilities, over_each, per_sample, pick, pick_many, shares
from paragrad.gen.distributions.special import INF, choose, floor, is_array, log


class Uniform(Family):
    """Uniform on [``low``, ``high``]."""

    __slots__ = ()
    kind = "uniform"
    names = ("low", "high")
    differentiable = True

    @staticmethod
    def draw(rng: Any, low: Any, high: Any) -> Any:
        return low + _width(low, high, "uniform") * rng.random()

    @staticmethod
    def log_density(value: Any, low: Any, high: Any) -> Any:
        return choose((low <= value) & (value <= high), -log(_width(low, high, "uniform")), -INF)

    @staticmethod
    def log_density_grad(value: Any, low: Any, high: Any) -> Gradient:
        inside, slope = (low <= value) & (value <= high), 1.0 / _width(low, high, "uniform")
        return choose(inside, 0.0, 0.0), (choose(inside, slope, 0.0), choose(inside, -slope, 0.0))


class UniformDiscrete(Family):
    """Each integer from ``low`` to ``high``, both included, is as likely as the other."""

    __slots__ = ()
    kind = "uniform_discrete"
    names = ("low", "high")

    @staticmethod
    def draw(rng: Any, low: Any, high: Any) -> Any:
        return low + floor(_count(low, high) * rng.random())

    @staticmethod
    def log_density(value: Any, low: Any, high: Any) -> Any:
        inside = (low <= value) & (value <= high) & (value == floor(value))
        return choose(inside, -log(_count(low, high)), -INF)

    @staticmethod
    def log_density_grad(value: Any, low: Any, high: Any) -> Gradient:
        return None, (None, None)


class PiecewiseUniform(Family):
    """Uniform within each of the intervals between ``bounds`` (rising), which have these ``probs``."""

    __slots__ = ()
    kind = "piecewise_uniform"
    names = ("bounds", "probs")
    differentiable = True

    @staticmethod
    def draw(rng: Any, bounds: Any, probs: Any) -> Any:
        if is_batch(rng):
            edges, weights = _tables(bounds, probs)
            low, width = _edges(edges, pick_many(rng, weights))
            return low + width * rng.random()
        bounds, probs = _pieces(bounds, probs)
        at = pick(rng, probs)
        return bounds[at] + (bounds[at + 1] - bounds[at]) * rng.random()

    @staticmethod
    def log_density(value: Any, bounds: Any, probs: Any) -> Any:
        if is_array(value) or per_sample(bounds) or per_sample(probs):
            return _many(value, *_tables(bounds, probs))
        bounds, probs = _pieces(bounds, probs)
        at = _piece(value, bounds)
        return -INF if at is None else log(probs[at]) - math.log(bounds[at + 1] - bounds[at])

    @staticmethod
    def log_density_grad(value: Any, bounds: Any, probs: Any) -> Gradient:
        import numpy

        if is_array(value) or per_sample(bounds) or per_sample(probs):
            return _many_slopes(value, bounds, probs)
        bounds, probs = _pieces(bounds, probs)
        at, d_bounds, d_probs = _piece(value, bounds), numpy.zeros(len(bounds)), numpy.zeros(len(probs))
        if at is not None:
            width = bounds[at + 1] - bounds[at]
            d_bounds[at], d_bounds[at + 1] = 1.0 / width, -1.0 / width
            d_probs[at] = 1.0 / probs[at] if probs[at] else INF
        return 0.0, (d_bounds, d_probs)


def _width(low: Any, high: Any, kind: str) -> Any:
    width = high - low
    good = width > 0
    if not (good.all() if is_array(good) else good):
        raise UsageError(f"{kind}: low is {low!r:.40} and high is {high!r:.40}; low must be below high")
    return width


def _count(low: Any, high: Any) -> Any:
    count = high - low + 1
    good = (count >= 1) & (low == floor(low)) & (high == floor(high))
    if not (good.all() if is_array(good) else good):
        raise UsageError(f"uniform_discrete: low is {low!r:.40} and high is {high!r:.40}; they must be integers with low <= high")
    return count


def _pieces(bounds: Any, probs: Any) -> tuple[list[float], list[float]]:
    edges = [float(bound) for bound in bounds]
    weights = checked_probabilities(probs, "piecewise_uniform")
    if len(edges) != len(weights) + 1 or any(not a < b for a, b in pairwise(edges)):
        raise UsageError(f"piecewise_uniform: bounds is {edges!r:.80}; it must rise and have one number more than probs ({len(weights)})")
    return edges, weights


def _piece(value: float, bounds: list[float]) -> int | None:
    if not bounds[0] <= value <= bounds[-1]:
        return None
    return min(bisect_right(bounds, value) - 1, len(bounds) - 2)


def _tables(bounds: Any, probs: Any) -> tuple[Any, Any]:
    """Bounds and probabilities as arrays, along the last axis; one row per sample, or one for all."""
    edges, weights = table(bounds), shares(probs, "piecewise_uniform")
    if edges.shape[-1] != weights.shape[-1] + 1 or not (edges[..., :-1] < edges[..., 1:]).all():
        raise UsageError(
            f"piecewise_uniform: bounds is {edges!r:.80}; it must rise and have one number more than probs ({weights.shape[-1]})"
        )
    return edges, weights


def _edges(edges: Any, at: Any) -> tuple[Any, Any]:
    """Lower end and width of every sample's interval."""
    import numpy

    rows = numpy.broadcast_to(edges, (*numpy.shape(at), edges.shape[-1]))
    low, high = (numpy.take_along_axis(rows, (at + more)[..., None], -1)[..., 0] for more in (0, 1))
    return low, high - low


def _places(value: Any, edges: Any) -> tuple[Any, Any]:
    """Which interval every sample is in, and whether in any."""
    import numpy

    value = numpy.asarray(value, dtype=float)[..., None]
    at = numpy.clip((value >= edges).sum(-1) - 1, 0, edges.shape[-1] - 2)
    return at, ((value >= edges[..., :1]) & (value <= edges[..., -1:]))[..., 0]


def _many(value: Any, edges: Any, weights: Any) -> Any:
    import numpy

    at, inside = _places(value, edges)
    rows = numpy.broadcast_to(weights, (*at.shape, weights.shape[-1]))
    share = numpy.take_along_axis(rows, at[..., None], -1)[..., 0]
    return choose(inside, log(share) - log(_edges(edges, at)[1]), -INF)


def _many_slopes(value: Any, bounds: Any, probs: Any) -> Gradient:
    import numpy

    edges, weights = _tables(bounds, probs)
    at, inside = _places(value, edges)
    here = (at[..., None] == numpy.arange(weights.shape[-1])) & inside[..., None]
    slope = numpy.where(here, 1.0 / _edges(edges, at)[1][..., None], 0.0)
    none = numpy.zeros((*at.shape, 1))
    d_bounds = numpy.concatenate([slope, none], -1) - numpy.concatenate([none, slope], -1)
    d_probs = over_each(here, numpy.broadcast_to(weights, here.shape))
    return numpy.zeros(at.shape), (as_given(d_bounds, bounds), as_given(d_probs, probs))
