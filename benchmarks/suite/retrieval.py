"""Retrieval, simulated: a query is written, documents are found by shared words, an answer is read off them."""

from __future__ import annotations

import random
import re
from typing import Any

import paragrad as pg
from benchmarks.suite.task import Rows, Setting, Task
from benchmarks.suite.writer import Lesson, writer

CATALOGUE = {"picture": "painting", "pot": "amphora", "book": "manuscript", "coat": "garment", "coin": "coin", "map": "map"}
PLACES = ("the north hall", "the cellar", "the tower", "the library")
LESSONS = [
    Lesson(r"The catalogue says (\w+) and not (\w+)\.", r"For \2 write \1.", "query"),
    Lesson(r"Only the place is wanted\.", "Reply with the place alone.", "answer"),
]


def documents() -> list[str]:
    """The catalogue: every thing of every owner, in one place."""
    rng = random.Random("catalogue")
    return [f"{thing} {owner} kept in {rng.choice(PLACES)}" for thing in CATALOGUE.values() for owner in OWNERS]


OWNERS = [f"owner{number}" for number in range(24)]
DOCUMENTS = documents()


@pg.bundle(effects=())
def found(query: str) -> str:
    """The document that shares most words with the query; nothing below two."""
    words = set(query.split())
    best = max(DOCUMENTS, key=lambda document: len(words & set(document.split())))
    return best if len(words & set(best.split())) > 1 else ""


class Museum(pg.Module):
    """Two model calls with a search between them."""

    def __init__(self) -> None:
        self.query: Any = pg.Generator("Write a search query.", inputs=["question"])
        self.answer: Any = pg.Generator("Answer from the context.", inputs=["question", "context"])

    def forward(self, question: str) -> Any:
        """Where a thing is kept."""
        return self.answer(question=question, context=found(self.query(question=question)))


def data(seed: int) -> tuple[Rows, Rows, Rows]:
    """Questions: 40 train, 40 validate, 60 test; no question twice."""
    rng = random.Random(f"retrieval {seed}")
    pairs = [(thing, owner) for thing in CATALOGUE for owner in OWNERS]
    places = {document.partition(" kept in ")[0]: document.partition(" kept in ")[2] for document in DOCUMENTS}
    rows = [
        {"question": f"Where is the {thing} of {owner}", "target": places[f"{CATALOGUE[thing]} {owner}"]}
        for thing, owner in rng.sample(pairs, 140)
    ]
    return rows[:40], rows[40:80], rows[80:]


def reader(request: Any) -> str:
    """Simulated: writes queries and reads documents, as its instruction says."""
    instruction, said = str(request.messages[0]["content"]), str(request.messages[-1]["content"])
    thing, owner = re.findall(r"Where is the (\w+) of (\w+)", said)[-1]
    if "search query" in instruction:
        wanted = CATALOGUE[thing] if f"For {thing} write {CATALOGUE[thing]}." in instruction else thing
        return f"{wanted} {owner}"
    place = said.rpartition(" kept in ")[2].partition("\n")[0] if " kept in " in said else ""
    if not place:
        return "I cannot find it."
    return place if "Reply with the place alone." in instruction else f"It is in {place}."


def metric(output: str, target: str, row: pg.Row) -> tuple[bool, str | None]:
    """Right or wrong, and where it went wrong."""
    thing = str(row.inputs["question"]).split()[3]
    if output == target:
        return True, None
    if target in output:
        return False, "Only the place is wanted."
    return False, f"The catalogue says {CATALOGUE[thing]} and not {thing}."


TASK = Task(
    about="two instructions around a search",
    answers="simulated",
    program=Museum,
    data=data,
    metric=metric,
    model=lambda: pg.llm.Fake(reader, name="reader"),
    writer=lambda seed: writer(LESSONS, seed),
    calls=1600,
    settings={
        "auto": Setting(writes=True),
        "reflect × minibatch": Setting("reflect", "minibatch", writes=True),
        "reflect × pareto": Setting("reflect", "pareto", writes=True),
        "textgrad × minibatch": Setting("textgrad", "minibatch", writes=True),
        "optoprime × pareto": Setting("optoprime", "pareto", writes=True),
    },
)
