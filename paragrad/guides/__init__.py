"""Feedback oracles: metrics, guides, and how any function becomes one."""

from paragrad.guides.binding import BoundMetric, bind_metric, metric_digest
from paragrad.guides.environment import Environment, EnvironmentGuide
from paragrad.guides.guide import AutoGuide, as_feedback, score_of
from paragrad.guides.gym import GymEnvironment
from paragrad.guides.judge import Judge

__all__ = [
    "AutoGuide",
    "BoundMetric",
    "Environment",
    "EnvironmentGuide",
    "GymEnvironment",
    "Judge",
    "as_feedback",
    "bind_metric",
    "metric_digest",
    "score_of",
]
