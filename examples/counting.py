"""Counting, on the language model in the package: text, choice and worked examples trained together.

Run it with ``paragrad train examples/counting.py`` or ``python examples/counting.py``; about two minutes,
no key, no network. ``paragrad demo`` is the same job.
"""

from typing import Any

import paragrad as pg
from paragrad.llm.embedded.phrases import BANK, STYLES
from paragrad.llm.embedded.questions import counting, final_answer
from paragrad.optimizers import BootstrapFewShot, EditSearch, partition


class Counter(pg.Module):
    """Answers questions such as "Two apples, a chair, three pears. How many fruits?"."""

    def __init__(self) -> None:
        styles = pg.Choice(list(STYLES))
        self.style = pg.param("any", "the style of the answer", name="answer.style", space=styles)
        self.answer = pg.Generator(
            "Answer the question.",
            inputs=["question", "style"],
            template="{instruction} {style}",
            demos=3,
            name="answer",
            max_tokens=120,
        )

    def forward(self, question: str) -> Any:
        return self.answer(question=question, style=wording(self.style))


@pg.bundle
def wording(style: str) -> str:
    """The sentence that asks the model for a style."""
    return STYLES[style]


def right(output: str, target: int) -> bool:
    """The last line must be the bare number: steps may stand above it, words may not stand beside it."""
    return final_answer(output).rstrip(".") == str(target)


edit = EditSearch(bank=BANK)  # adds, drops, swaps and replaces sentences; takes other choices

task = pg.Task(
    Counter(),
    counting(60, split="train"),
    counting(60, split="validation"),
    counting(200, split="test"),
    metric=right,
    model="embedded",
    optimizer=partition({"text": edit, "choice": edit, "demos": BootstrapFewShot()}),
    budget="1500 calls",
    seed=0,
)

if __name__ == "__main__":
    print(task.fit())
