"""What marks a metric as one of shares: right or wrong, or a part of the points, from 0 to 1."""

from __future__ import annotations

import math


def are_shares(*scores: float | None) -> bool:
    """Whether scores of one metric are all shares of 1; what is not known, or not finite, says nothing.

    A metric names no scale, so what it gave decides: one score outside 0 to 1, on any row or of any candidate, and none of
    them is a share. Minus zero counts as outside: it is what a negated error gives where it is perfect.
    """
    return all(score is None or not math.isfinite(score) or (0 <= score <= 1 and math.copysign(1.0, score) > 0) for score in scores)
