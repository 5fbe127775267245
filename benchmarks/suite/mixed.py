"""Three kinds in one step, on the embedded model: instruction, style (a choice) and demonstrations, each with its own optimizer."""

from __future__ import annotations

from typing import Any

import paragrad as pg
from benchmarks.suite.demos import data
from benchmarks.suite.task import Setting, Task
from paragrad.llm.embedded.phrases import BANK, STYLES
from paragrad.llm.embedded.questions import exact
from paragrad.optimizers import Alternate, BootstrapFewShot, EditSearch, partition


@pg.bundle
def wording(style: str) -> str:
    """The sentence that asks for a style."""
    return STYLES[style]


class Counter(pg.Module):
    """Counts, in a style, with demonstrations."""

    def __init__(self) -> None:
        self.style = pg.param("any", "the style of the answer", name="answer.style", space=pg.Choice(list(STYLES)))
        self.answer: Any = pg.Generator(
            "Answer the question.",
            inputs=["question", "style"],
            template="{instruction} {style}",
            demos=3,
            name="answer",
            max_tokens=120,
        )

    def forward(self, question: str) -> Any:
        """The answer."""
        return self.answer(question=question, style=wording(self.style))


def together() -> Any:
    """Candidates that change all kinds at once."""
    edit = EditSearch(bank=BANK)
    return partition({"text": edit, "choice": edit, "demos": BootstrapFewShot()})


TASK = Task(
    about="instruction, choice, demos",
    answers="embedded",
    program=Counter,
    data=data,
    metric=lambda output, target: exact(output, target),
    model=lambda: "embedded",
    calls=450,
    settings={
        "auto": Setting(),
        "edit and bootstrap, partition × minibatch": Setting(together, "minibatch"),
        "edit and bootstrap, in turns × minibatch": Setting(lambda: Alternate(EditSearch(bank=BANK), BootstrapFewShot()), "minibatch"),
    },
)
