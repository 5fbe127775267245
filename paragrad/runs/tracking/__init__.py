"""Experiment trackers: what happens in a run, told to TensorBoard, MLflow, Weights & Biases, or a class of your own.

The record of a run is its journal; a tracker is a copy for people, and its failure never touches the run.
"""

from __future__ import annotations

from paragrad.runs.tracking.base import Tracker
from paragrad.runs.tracking.opening import tracked, trackers_of

__all__ = ["Tracker", "tracked", "trackers_of"]
