"""Choices, simulated: four settings of a pipeline with an interaction, so that one at a time does not lead to the best."""

from __future__ import annotations

import random
from typing import Any

import paragrad as pg
from benchmarks.suite.task import Rows, Setting, Task
from paragrad.llm import current_model

OPTIONS = {
    "cut": ("page", "paragraph", "sentence", "window"),
    "order": ("date", "score", "title"),
    "form": ("plain", "list", "table", "markdown"),
    "tone": ("dry", "warm", "formal"),
}
WORTH = {"paragraph": 0.1, "sentence": 0.05, "score": 0.15, "list": 0.05, "table": -0.1, "formal": 0.05, "warm": -0.05}
TOGETHER = {("window", "markdown"): 0.35, ("window", "plain"): -0.15}


@pg.bundle(effects=())
def answer(question: str, cut: str, order: str, form: str, tone: str) -> str:
    """What the pipeline answers."""
    return str(current_model()(f"{question}\n{cut} {order} {form} {tone}"))


class Pipeline(pg.Module):
    """Four Choices and a model call."""

    def __init__(self) -> None:
        for name, options in OPTIONS.items():
            setattr(self, name, pg.Parameter(options[0], f"the {name}", space=pg.Choice(list(options))))

    def forward(self, question: str) -> Any:
        """The answer with the present settings."""
        return answer(question, *(getattr(self, name) for name in OPTIONS))


def data(seed: int) -> tuple[Rows, Rows, Rows]:
    """Questions of even difficulty: 60 train, 60 validate, 100 test."""
    rng = random.Random(f"choices {seed}")
    rows = [{"question": f"Question {i}, difficulty {rng.random():.3f}", "target": "right"} for i in range(220)]
    return rows[:60], rows[60:120], rows[120:]


def pipeline(request: Any) -> str:
    """Simulated: right up to the difficulty that the settings reach."""
    question, _, settings = str(request.messages[-1]["content"]).rpartition("\n")
    cut, order, form, tone = settings.split()
    reached = 0.4 + sum(WORTH.get(name, 0.0) for name in (cut, order, form, tone)) + TOGETHER.get((cut, form), 0.0)
    return "right" if float(question.split()[-1]) < reached else "wrong"


TASK = Task(
    about="four choices",
    answers="simulated",
    program=Pipeline,
    data=data,
    metric="exact_match",
    model=lambda: pg.llm.Fake(pipeline, name="pipeline"),
    calls=1500,
    settings={
        "auto": Setting(),
        "edit × pareto": Setting("edit", "pareto"),
        "tpe × minibatch": Setting("tpe", "minibatch"),
        "tpe × pareto": Setting("tpe", "pareto"),
    },
)
