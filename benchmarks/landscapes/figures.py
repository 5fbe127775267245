"""What is told of several runs: successes, median count, median true score at the end."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any


def figures(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Successes, the median count with failures as infinite (None), and the median true score at the end."""
    hits = [run["hit"] if run["hit"] is not None else math.inf for run in runs]
    median = statistics.median(hits)
    return {
        "successes": sum(hit < math.inf for hit in hits),
        "of": len(hits),
        "median": None if median == math.inf else median,
        "final": statistics.median(run["final"] for run in runs),
        "calls": statistics.median(run["calls"] for run in runs),
    }


def shown(found: Mapping[str, Any]) -> str:
    """Figures in a line's width: ``9/10 · 2,255 · 0.91``."""
    median = "–" if found["median"] is None else f"{found['median']:,.0f}"
    return f"{found['successes']}/{found['of']} · {median} · {found['final']:.2f}"


def better(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Whether ``first`` did better: more successes, else the smaller median, else the higher score at the end."""
    return _rank(first) > _rank(second)


def _rank(found: Mapping[str, Any]) -> tuple[float, float, float]:
    return found["successes"] / found["of"], -math.inf if found["median"] is None else -found["median"], found["final"]
