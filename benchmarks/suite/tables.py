"""A JSON table and a list, simulated: short names to expand before a model is asked, and words to leave out."""

from __future__ import annotations

import random
from typing import Any

import paragrad as pg
from benchmarks.suite.task import Rows, Setting, Task
from benchmarks.suite.writer import Lesson, writer
from paragrad.llm import current_model

NAMES = {"NYC": "New York", "LA": "Los Angeles", "SF": "San Francisco", "DC": "Washington", "PHL": "Philadelphia", "CHI": "Chicago"}
NOISE = ("kindly", "asap", "hello")
LESSONS = [
    Lesson(r"(\w+) is short for ([\w ]+)\.", r"\1=\2", "aliases"),
    Lesson(r"The word (\w+) was in the way\.", r"\1", "skipped"),
]


@pg.bundle(effects=())
def cleaned(request: str, aliases: dict[str, str], skipped: list[str]) -> str:
    """The request in full words, without those that are in the way."""
    return " ".join(aliases.get(word, word) for word in request.split() if word not in skipped)


@pg.bundle(effects=())
def asked(text: str) -> str:
    """What the model answers."""
    return str(current_model()(text))


class Booking(pg.Module):
    """Clean, then ask."""

    def __init__(self) -> None:
        self.aliases = pg.Parameter({"NYC": "New York"}, "short names and what they stand for", space=pg.Json())
        self.skipped = pg.Parameter(["please"], "words to leave out", space=pg.List())

    def forward(self, request: str) -> Any:
        """The city of a booking."""
        return asked(cleaned(request, self.aliases, self.skipped))


def data(seed: int) -> tuple[Rows, Rows, Rows]:
    """Requests: 40 train, 40 validate, 60 test."""
    rng = random.Random(f"tables {seed}")
    rows = []
    for number in range(140):
        short = rng.choice(list(NAMES))
        noise = rng.choice(NOISE) + " " if rng.random() < 0.4 else ""
        rows.append({"request": f"{noise}room {number} in {short}", "target": NAMES[short]})
    return rows[:40], rows[40:80], rows[80:]


def clerk(request: Any) -> str:
    """Simulated: knows full names alone, and is put off by words it does not know."""
    words = str(request.messages[-1]["content"])
    if any(word in words.split() for word in NOISE):
        return "Pardon?"
    return next((name for name in NAMES.values() if name in words), "unknown")


def metric(output: str, target: str, row: pg.Row) -> tuple[bool, str | None]:
    """Right or wrong, and why."""
    words = str(row.inputs["request"]).split()
    if output == "Pardon?":
        return False, f"The word {words[0]} was in the way."
    return output == target, None if output == target else f"{words[-1]} is short for {target}."


TASK = Task(
    about="a JSON table and a list",
    answers="simulated",
    program=Booking,
    data=data,
    metric=metric,
    model=lambda: pg.llm.Fake(clerk, name="clerk"),
    writer=lambda seed: writer(LESSONS, seed),
    calls=800,
    settings={
        "auto": Setting(writes=True),
        "reflect × pareto": Setting("reflect", "pareto", writes=True),
        "textgrad × minibatch": Setting("textgrad", "minibatch", writes=True),
        "optoprime × minibatch": Setting("optoprime", "minibatch", writes=True),
        "opro × minibatch": Setting("opro", "minibatch", writes=True),
    },
)
