"""An instruction, on the embedded model: phrases of a bank of which some help, some hurt and most do nothing."""

from __future__ import annotations

from typing import Any

import paragrad as pg
from benchmarks.suite.demos import data
from benchmarks.suite.task import Setting, Task
from paragrad.llm.embedded.phrases import BANK
from paragrad.llm.embedded.questions import exact


def program() -> Any:
    """One model call."""
    return pg.Generator("Answer the question.", inputs=["question"], name="answer", max_tokens=120)


def edit() -> Any:
    """Small edits with the public bank."""
    return pg.optimizers.EditSearch(bank=BANK)


TASK = Task(
    about="an instruction",
    answers="embedded",
    program=program,
    data=data,
    metric=lambda output, target: exact(output, target),
    model=lambda: "embedded",
    calls=450,
    settings={
        "auto": Setting(),
        "edit × minibatch": Setting(edit, "minibatch"),
        "edit × pareto": Setting(edit, "pareto"),
    },
)
