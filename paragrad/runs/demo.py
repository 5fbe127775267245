"""The demo: a real training run on the embedded model, without a key and without the network.

Three kinds of parameters of one small program are trained together: the instruction (a text), the
style of the answer (a choice) and the worked examples (demos). ``examples/counting.py`` is the same
job as a user would write it.
"""

from __future__ import annotations

from typing import Any

from paragrad.data import DataLoader, Dataset, rows
from paragrad.llm import connect
from paragrad.llm.embedded.phrases import BANK, STYLES
from paragrad.llm.embedded.questions import counting, exact
from paragrad.modules import Generator
from paragrad.optimizers import BootstrapFewShot, EditSearch, partition
from paragrad.runs.fitting import Task
from paragrad.spaces import Choice
from paragrad.trace import Module, bundle, param

NAME = "demo"
SIZES = {"train": 60, "validation": 60, "test": 200}
CALLS = 1500
BATCH = 12


class Counter(Module):
    """Counts things of one kind: "Two apples, a chair, three pears. How many fruits?" """

    def __init__(self) -> None:
        self.style: str = param("any", "the style of the answer", name="answer.style", space=Choice(list(STYLES)))
        self.answer = Generator(
            "Answer the question.", inputs=["question", "style"], demos=3, template="{instruction} {style}", name="answer", max_tokens=120
        )

    def forward(self, question: str) -> Any:
        """The model's whole reply; the metric reads its last line."""
        return self.answer(question=question, style=wording(self.style))


@bundle
def wording(style: str) -> str:
    """The sentence that asks for a style."""
    return STYLES[style]


def right(output: str, target: int) -> bool:
    """Whether the reply's last line is the bare number."""
    return exact(output, target)


def questions(part: str, seed: int = 0) -> Dataset:
    """Counting questions of one part; no two parts share one."""
    return rows(counting(SIZES[part], seed, split=part)).bind(["question"])


def task(seed: int = 0, **options: Any) -> Task:
    """The demo's whole job. ``options`` are those of :func:`paragrad.fit`."""
    edit = EditSearch(bank=BANK)
    return Task(
        Counter(),
        DataLoader(questions("train", seed), BATCH, shuffle=True, seed=seed),
        questions("validation", seed),
        questions("test", seed),
        metric=right,
        model=connect("embedded", cache=False),
        optimizer=partition({"text": edit, "choice": edit, "demos": BootstrapFewShot()}),
        budget=f"{CALLS} calls",
        seed=seed,
        **{"run": NAME, "algorithm": "minibatch", **options},
    )
