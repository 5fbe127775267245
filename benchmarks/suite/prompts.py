"""An instruction, simulated: a dispatcher knows two of eight subjects; which team has the others must be learnt from feedback."""

from __future__ import annotations

import random
from typing import Any, Literal

import paragrad as pg
from benchmarks.suite.task import Rows, Setting, Task
from benchmarks.suite.writer import Lesson, writer

TEAMS = {
    "invoice": "billing", "crash": "bugs", "refund": "billing", "login": "accounts", "parcel": "shipping", "password": "accounts",
    "damage": "shipping", "slowness": "bugs",
}  # fmt: skip
OBVIOUS = {"invoice", "crash"}
LESSONS = [Lesson(r"Nothing says that (\w+) belongs to (\w+)\.", r"\1 belongs to \2.", "instruction")]


def program() -> Any:
    """One prompt."""

    @pg.prompt
    def route(ticket: str) -> Literal["billing", "bugs", "accounts", "shipping"]:
        """Decide which team must answer the ticket."""
        ...

    return route


def data(seed: int) -> tuple[Rows, Rows, Rows]:
    """Tickets: 40 train, 40 validate, 60 test."""
    rng = random.Random(f"prompts {seed}")
    rows = [{"ticket": f"About order {i}: {word}", "target": TEAMS[word]} for i, word in enumerate(rng.choices(list(TEAMS), k=140))]
    return rows[:40], rows[40:80], rows[80:]


def metric(output: str, target: str, row: pg.Row) -> tuple[bool, str | None]:
    """Right or wrong; a wrong one names the rule that was missing."""
    subject = str(row.inputs["ticket"]).rpartition(" ")[2]
    return output == target, None if output == target else f"Nothing says that {subject} belongs to {target}."


def dispatcher(request: Any) -> str:
    """Simulated: answers by the instruction, and "billing" when it says nothing."""
    instruction, subject = str(request.messages[0]["content"]), str(request.messages[-1]["content"]).split()[-1]
    known = subject in OBVIOUS or f"{subject} belongs to {TEAMS[subject]}." in instruction
    return TEAMS[subject] if known else "billing"


BANK = [f"{word} belongs to {team}." for word in ("refund", "login", "parcel", "password") for team in ("accounts", "shipping")]

TASK = Task(
    about="an instruction",
    answers="simulated",
    program=program,
    data=data,
    metric=metric,
    model=lambda: pg.llm.Fake(dispatcher, name="dispatcher"),
    writer=lambda seed: writer(LESSONS, seed),
    calls=800,
    settings={
        "auto": Setting(writes=True),
        "reflect × minibatch": Setting("reflect", "minibatch", writes=True),
        "reflect × pareto": Setting("reflect", "pareto", writes=True),
        "textgrad × minibatch": Setting("textgrad", "minibatch", writes=True),
        "optoprime × minibatch": Setting("optoprime", "minibatch", writes=True),
        "opro × minibatch": Setting("opro", "minibatch", writes=True),
        "edit, some phrases × minibatch": Setting(lambda: pg.optimizers.EditSearch(bank=BANK), "minibatch"),
    },
)
