"""An agent in an environment, simulated: the text adventure of ``examples/text_game.py``; feedback comes from the game."""

from __future__ import annotations

from typing import Any

import paragrad as pg
from benchmarks.suite.task import Rows, Setting, Task
from benchmarks.suite.writer import Lesson, writer
from examples.text_game import ADVICE, House, houses, player

LESSONS = [
    Lesson(r"You fell down in the dark \w+\.", "Never enter a dark room without the lamp.", "instruction"),
    Lesson(r"You never took the \w+\.", "Pick up everything you see.", "instruction"),
]


def program() -> Any:
    """The player."""
    return pg.Agent("You play a text adventure. Answer with one command.", tools=House, max_steps=14, name="player")


def data(seed: int) -> tuple[Rows, Rows, Rows]:
    """Games: 16 train, 16 validate, 32 test; which are which depends on the seed."""
    train, validate, test = pg.data.rows(houses(64)).split(0.25, 0.25, 0.5, seed=seed)
    return train, validate, test


def edit() -> Any:
    """Small edits with four pieces of advice, two of them useless."""
    return pg.optimizers.EditSearch(bank=ADVICE)


TASK = Task(
    about="an agent's instruction",
    answers="simulated",
    program=program,
    data=data,
    metric="environment",
    model=lambda: pg.llm.Fake(player, name="player"),
    writer=lambda seed: writer(LESSONS, seed),
    parameters=["*instruction"],
    calls=3000,
    settings={
        "auto": Setting(writes=True),
        "edit × minibatch": Setting(edit, "minibatch"),
        "opro × minibatch": Setting("opro", "minibatch", writes=True),
    },
)
