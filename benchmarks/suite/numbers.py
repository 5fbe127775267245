"""Numbers, simulated: a model says how bad a mail sounds; two weights and a threshold decide what is junk."""

from __future__ import annotations

import math
import random
from typing import Any

import paragrad as pg
from benchmarks.suite.task import Rows, Setting, Task
from paragrad.llm import current_model


@pg.bundle(effects=())
def sound(mail: str) -> float:
    """How bad a mail sounds, 0 to 1, as the model says."""
    return float(str(current_model()(mail)))


class Filter(pg.Module):
    """Junk when the weighted sum passes the threshold."""

    def __init__(self) -> None:
        self.words = pg.Parameter(0.1, "weight of how it sounds", space=pg.Number(0.0, 2.0))
        self.links = pg.Parameter(1.0, "weight of each link", space=pg.Number(0.0, 2.0))
        self.threshold = pg.Parameter(0.5, "from where on it is junk", space=pg.Number(0.0, 4.0))

    def forward(self, mail: str, links: int) -> Any:
        """Whether a mail is junk."""
        return self.words * sound(mail) + self.links * float(links) > self.threshold


def data(seed: int) -> tuple[Rows, Rows, Rows]:
    """Mails: 60 train, 60 validate, 100 test; one in twenty is labelled wrongly."""
    rng = random.Random(f"numbers {seed}")
    rows = []
    for number in range(220):
        bad, links = round(rng.random(), 2), rng.randint(0, 4)
        junk = (1.5 * bad + 0.2 * links > 1.1) != (rng.random() < 0.05)
        rows.append({"mail": f"mail {number} sounds {bad}", "links": links, "target": junk})
    return rows[:60], rows[60:120], rows[120:]


def metric(output: bool, target: bool) -> bool:
    """Right or wrong."""
    return bool(output) == target


def listener(request: Any) -> str:
    """Simulated: hears what stands in the mail, through some noise."""
    mail = str(request.messages[-1]["content"])
    heard = float(mail.split()[-1])
    return f"{min(1.0, max(0.0, heard + 0.05 * math.sin(len(mail) + 100 * heard))):.3f}"


TASK = Task(
    about="three numbers",
    answers="simulated",
    program=Filter,
    data=data,
    metric=metric,
    model=lambda: pg.llm.Fake(listener, name="listener"),
    calls=1500,
    settings={
        "auto": Setting(),
        "tpe × minibatch": Setting("tpe", "minibatch"),
        "evolution × minibatch": Setting("evolution", "minibatch"),
        "evolution × pareto": Setting("evolution", "pareto"),
        "thresholds × minibatch": Setting("thresholds", "minibatch"),
    },
)
