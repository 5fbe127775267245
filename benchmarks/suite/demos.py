"""Worked examples, on the embedded model: the instruction stays as it is, demonstrations must do the rest."""

from __future__ import annotations

from typing import Any

import paragrad as pg
from benchmarks.suite.task import Rows, Setting, Task
from paragrad.llm.embedded.questions import counting, exact


def program() -> Any:
    """One model call with room for three demonstrations."""
    return pg.Generator("Think in steps.", inputs=["question"], demos=3, name="answer", max_tokens=120)


def data(seed: int) -> tuple[Rows, Rows, Rows]:
    """Counting questions: 30 train, 30 validate, 40 test."""
    return counting(30, seed, split="train"), counting(30, seed, split="validation"), counting(40, seed, split="test")


TASK = Task(
    about="demos",
    answers="embedded",
    program=program,
    data=data,
    metric=lambda output, target: exact(output, target),
    model=lambda: "embedded",
    parameters=["*.demos"],
    calls=300,
    settings={
        "auto": Setting(),
        "bootstrap, two raw × minibatch": Setting(lambda: pg.optimizers.BootstrapFewShot(raw_shots=2), "minibatch"),
        "bootstrap × pareto": Setting("bootstrap", "pareto"),
    },
)
