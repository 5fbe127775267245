"""Runs: train, evaluate, resume and report."""

from paragrad.runs.anything import optimize_anything
from paragrad.runs.evaluating import Scored, evaluate
from paragrad.runs.fitting import Task, fit
from paragrad.runs.loading import load
from paragrad.runs.plan import Plan
from paragrad.trainers.result import Result

__all__ = ["Plan", "Result", "Scored", "Task", "evaluate", "fit", "load", "optimize_anything"]
