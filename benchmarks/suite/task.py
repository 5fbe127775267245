"""What a task of the suite is, and one run of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import paragrad as pg

Rows = Sequence[Any]


@dataclass(frozen=True)
class Setting:
    """An optimizer and an algorithm.

    Attributes:
        optimizer: a name, or a function that makes the optimizer. ``algorithm``: a name.
        writes: whether a model writes proposals.
    """

    optimizer: str | Callable[[], Any] = "auto"
    algorithm: str = "auto"
    writes: bool = False


@dataclass(frozen=True)
class Task:
    """One job of the suite.

    Attributes:
        about: what is trained, in a few words. ``answers``: who answers, "embedded" or "simulated".
        program: makes the program. ``data``: rows by seed: train, validate, test. ``metric``: as ``fit`` takes it.
        model: makes the model that answers. ``writer``: makes the model that writes proposals, from a seed.
        settings: what is compared, by name. ``calls``: the budget. ``parameters``: which are trained, None: all.
    """

    about: str
    answers: str
    program: Callable[[], Any]
    data: Callable[[int], tuple[Rows, Rows, Rows]]
    metric: Any
    model: Callable[[], Any]
    settings: Mapping[str, Setting]
    calls: int = 500
    writer: Callable[[int], Any] | None = None
    parameters: Sequence[str] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def run(self, name: str, seed: int) -> dict[str, Any]:
        """Train once; the figures of the held-out rows."""
        setting = self.settings[name]
        optimizer = setting.optimizer if isinstance(setting.optimizer, str) else setting.optimizer()
        train, validate, test = self.data(seed)
        started = time.process_time()
        result = pg.fit(
            self.program(), train, validate, test, metric=self.metric, model=self.model(), optimizer=optimizer, algorithm=setting.algorithm,
            optimizer_model=self.writer(seed) if setting.writes and self.writer is not None else None, budget=f"{self.calls} calls",
            parameters=list(self.parameters) if self.parameters else None, seed=seed, workers=4, progress=False, journal=False, **self.options,
        )  # fmt: skip
        if result.test is None:
            raise RuntimeError(f"{self.about}: the held-out rows were not looked at")
        return {
            "seed": seed,
            "before": result.test.before.mean.value,
            "after": result.test.after.mean.value,
            "calls": result.asked,
            "significant": result.significant,
            "stopped": result.stopped,
            "seconds": round(time.process_time() - started, 2),
        }
