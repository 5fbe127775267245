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


def best(found: Mapping[str, Mapping[str, Any]]) -> str:
    """The best of several settings: the smallest median among those that succeed as often as any, give or take one in ten.

    Where none has a median, the highest score at the end.
    """
    most = max(one["successes"] / one["of"] for one in found.values())
    near = [name for name, one in found.items() if one["successes"] / one["of"] >= most - 0.1 - 1e-9]
    return min(near, key=lambda name: (math.inf if found[name]["median"] is None else found[name]["median"], -found[name]["final"]))
