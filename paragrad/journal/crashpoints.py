"""Named points at which a fault test may kill this process.

``PARAGRAD_CRASH_AT=after-intent:3`` sends SIGKILL to the process when it passes the point
``after-intent`` for the third time. The variable is read once, at import; without it a point costs
one comparison.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from itertools import count

from paragrad.errors import UsageError

VARIABLE = "PARAGRAD_CRASH_AT"

CRASH_POINTS = (
    "before-intent",
    "after-intent",
    "before-outcome",
    "after-outcome",
    "before-checkpoint",
    "after-checkpoint",
    "before-commit",
    "after-commit",
    "before-publish",
    "after-publish",
)


class CrashPlan:
    """Where to die, and at which passing (from 1).

    Raises:
        UsageError: a text that is not ``NAME`` or ``NAME:COUNT`` with a known name.
    """

    def __init__(self, text: str) -> None:
        name, _, number = text.partition(":")
        if name not in CRASH_POINTS or not (number or "1").isdigit():
            raise UsageError(f"{VARIABLE}={text!r} is not NAME or NAME:COUNT; names: {', '.join(CRASH_POINTS)}")
        self.name = name
        self.at = int(number or "1")
        self.passings: Iterator[int] = count(1)

    def passed(self, name: str) -> None:
        """Die here if this is the point and the passing."""
        if name == self.name and next(self.passings) >= self.at:
            os.kill(os.getpid(), signal.SIGKILL)


_PLAN = CrashPlan(os.environ[VARIABLE]) if VARIABLE in os.environ else None


def crash_point(name: str) -> None:
    """Mark a point of the program at which dying must be harmless."""
    if _PLAN is not None:
        _PLAN.passed(name)
