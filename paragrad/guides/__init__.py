"""Feedback oracles: metrics, guides, and how any function becomes one."""

from paragrad.guides.binding import BoundMetric, bind_metric, metric_digest
from paragrad.guides.guide import AutoGuide, as_feedback, score_of

__all__ = ["AutoGuide", "BoundMetric", "as_feedback", "bind_metric", "metric_digest", "score_of"]
