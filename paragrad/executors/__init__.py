"""Where the items of a batch run: threads here, other machines by the same protocol."""

from paragrad.executors.base import Executor, Outcome
from paragrad.executors.loops import run_coroutine
from paragrad.executors.threads import Threads

__all__ = ["Executor", "Outcome", "Threads", "run_coroutine"]
