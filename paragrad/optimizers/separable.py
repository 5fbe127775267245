"""The mathematics of an evolution strategy with one variance per coordinate (Ros and Hansen, "A simple modification in
CMA-ES", 2008), on plain lists: weights, paths, variances, step size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

SMALLEST, LARGEST = 1e-6, 1e3


@dataclass(frozen=True, slots=True)
class Search:
    """Where a search stands.

    Attributes:
        mean: the centre. ``sigma``: the step size, in units of coordinates.
        variances: relative variance per coordinate.
        step_path, path: evolution paths of the step size and of the variances.
    """

    mean: tuple[float, ...]
    sigma: float
    variances: tuple[float, ...]
    step_path: tuple[float, ...]
    path: tuple[float, ...]
    generation: int = 0

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def of(cls, data: Any) -> Search:
        """The inverse of :meth:`plain`."""
        fields: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}
        return cls(**fields)


def started(mean: Sequence[float], sigma: float) -> Search:
    """A search that begins at ``mean``."""
    zeros = (0.0,) * len(mean)
    return Search(tuple(mean), sigma, (1.0,) * len(mean), zeros, zeros)


def population(size: int) -> int:
    """Candidates per generation for so many coordinates."""
    return 4 + int(3 * math.log(max(1, size)))


def advanced(search: Search, ranked: Sequence[Sequence[float]]) -> Search:
    """The search after a generation.

    Args:
        ranked: the evaluated points, best first, at least two; the better half is recombined.
    """
    n = len(search.mean)
    half = max(1, len(ranked) // 2)
    raw = [math.log(half + 0.5) - math.log(i + 1) for i in range(half)]
    weights = [w / sum(raw) for w in raw]
    effective = 1.0 / sum(w * w for w in weights)
    steps = [[(x - m) / search.sigma for x, m in zip(point, search.mean, strict=True)] for point in ranked[:half]]
    move = [sum(w * step[i] for w, step in zip(weights, steps, strict=True)) for i in range(n)]
    mean = [m + search.sigma * d for m, d in zip(search.mean, move, strict=True)]
    damp_rate = (effective + 2) / (n + effective + 5)
    pull = math.sqrt(damp_rate * (2 - damp_rate) * effective)
    step_path = [(1 - damp_rate) * p + pull * d / math.sqrt(v) for p, d, v in zip(search.step_path, move, search.variances, strict=True)]
    length = math.sqrt(sum(p * p for p in step_path))
    expected = math.sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n))
    damping = 1 + 2 * max(0.0, math.sqrt((effective - 1) / (n + 1)) - 1) + damp_rate
    sigma = search.sigma * math.exp(min(1.0, damp_rate / damping * (length / expected - 1)))
    stalled = length / math.sqrt(1 - (1 - damp_rate) ** (2 * (search.generation + 1))) >= (1.4 + 2 / (n + 1)) * expected
    path, variances = _varied(search, weights, effective, steps, move, stalled)
    return Search(tuple(mean), min(max(sigma, SMALLEST), LARGEST), variances, tuple(step_path), path, search.generation + 1)


def _varied(
    search: Search, weights: Sequence[float], effective: float, steps: Sequence[Sequence[float]], move: Sequence[float], stalled: bool
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The path and the variances: one rank by the path, the others by the recombined steps."""
    n = len(move)
    faster = (n + 2) / 3  # one variance per coordinate is learnt that much faster than a whole matrix
    rate = (4 + effective / n) / (n + 4 + 2 * effective / n)
    one = min(1.0, faster * 2 / ((n + 1.3) ** 2 + effective))
    many = min(1 - one, faster * 2 * (effective - 2 + 1 / effective) / ((n + 2) ** 2 + effective))
    pull = 0.0 if stalled else math.sqrt(rate * (2 - rate) * effective)
    path = [(1 - rate) * p + pull * d for p, d in zip(search.path, move, strict=True)]
    variances = []
    for i, v in enumerate(search.variances):
        spread = sum(w * step[i] ** 2 for w, step in zip(weights, steps, strict=True))
        variances.append(min(max((1 - one - many) * v + one * path[i] ** 2 + many * spread, 1e-6), 1e6))
    return tuple(path), tuple(variances)
