"""Nothing to learn, simulated: answers are coin flips, so every gain that is claimed is a false one."""

from __future__ import annotations

import hashlib
import random
from typing import Any

import paragrad as pg
from benchmarks.suite.task import Rows, Setting, Task
from benchmarks.suite.writer import Lesson, writer


def program() -> Any:
    """One prompt."""

    @pg.prompt
    def guess(name: str) -> str:
        """Say heads or tails."""
        ...

    return guess


def data(seed: int) -> tuple[Rows, Rows, Rows]:
    """Flips: 40 train, 40 validate, 60 test."""
    rng = random.Random(f"nothing {seed}")
    rows = [{"name": f"flip {i}", "target": rng.choice(("heads", "tails"))} for i in range(140)]
    return rows[:40], rows[40:80], rows[80:]


def coin(request: Any) -> str:
    """Simulated: heads or tails by a digest of all it is told."""
    said = "\n".join(str(message["content"]) for message in request.messages)
    return "heads" if hashlib.sha256(said.encode()).digest()[0] % 2 else "tails"


def metric(output: str, target: str) -> tuple[bool, str | None]:
    """Right or wrong."""
    return output == target, None if output == target else f"It should have been {target}."


TASK = Task(
    about="nothing to learn",
    answers="simulated",
    program=program,
    data=data,
    metric=metric,
    model=lambda: pg.llm.Fake(coin, name="coin"),
    writer=lambda seed: writer([Lesson(r"It should have been (\w+)\.", r"Think of \1.", "instruction")], seed),
    calls=800,
    settings={
        "edit × minibatch": Setting(lambda: pg.optimizers.EditSearch(bank=["Be bold.", "Look closely.", "Take heart."]), "minibatch"),
        "reflect × pareto": Setting("reflect", "pareto", writes=True),
        "opro × ucb": Setting("opro", "ucb", writes=True),
        "opro × beam": Setting("opro", "beam", writes=True),
    },
)
