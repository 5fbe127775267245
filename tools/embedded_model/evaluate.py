"""Measures the exported model on held-out content: exact match per skill and prompt kind."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from paragrad.llm.embedded import EmbeddedModel
from paragrad.llm.embedded.questions import final_answer
from paragrad.llm.types import Request, Response
from tools.embedded_model.policy import Demos
from tools.embedded_model.prompts import Example, Layout, build


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of prompt. ``operation`` says whether list prompts name the operation."""

    concepts: tuple[str, ...]
    demos: Demos = field(default_factory=Demos)
    operation: bool = True


KINDS: dict[str, Kind] = {
    "vague": Kind(("neutral",), operation=False),
    "number": Kind(("neutral", "number")),
    "steps": Kind(("neutral", "steps")),
    "steps + number": Kind(("neutral", "steps", "number")),
    "steps + think + number": Kind(("neutral", "steps", "think", "number")),
    "vague + 3 worked": Kind(("neutral",), Demos(3, True), operation=False),
    "vague + 5 worked": Kind(("neutral",), Demos(5, True), operation=False),
    "vague + 3 direct": Kind(("neutral",), Demos(3, False), operation=False),
    "best (steps + number + 3 worked)": Kind(("steps", "number"), Demos(3, True)),
    "best, contradicted": Kind(("steps", "number", "direct", "sentence")),
    "steps + number, friendly": Kind(("steps", "number", "friendly")),
    "steps + number, 2 irrelevant": Kind(("steps", "irrelevant", "number", "irrelevant")),
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the table, as shares of ``items``: exact final line; any line ends with the right value; steps written."""

    items: int
    exact: float
    value: float
    steps: float


def examples(skill: str, kind: Kind, items: int, new_words: bool, layout: Layout, seed: int = 1) -> list[Example]:
    """Held-out examples of a kind, with trained or held-out paraphrases."""
    rng = random.Random(f"evaluate {seed} {skill} {kind} {new_words}")
    return [
        build(rng, skill, kind.concepts, kind.demos, layout, held_out=True, say_operation=kind.operation, new_words=new_words)
        for _ in range(items)
    ]


def replies(model: EmbeddedModel, asked: list[Example]) -> list[str]:
    """Greedy replies."""
    found = []
    for answer in model.complete([Request(messages=example.messages, max_tokens=120) for example in asked]):
        found.append(answer.text if isinstance(answer, Response) else f"error: {answer}")
    return found


def measure(model: EmbeddedModel, skill: str, kind: Kind, items: int, new_words: bool, layout: Layout | None = None) -> Cell:
    """One cell."""
    asked = examples(skill, kind, items, new_words, layout or Layout(field="Question: "))
    got = replies(model, asked)
    exact = sum(final_answer(text) == example.task.answer for text, example in zip(got, asked, strict=True))
    value = sum(_says(final_answer(text), example) for text, example in zip(got, asked, strict=True))
    steps = sum("\n" in text.strip() for text in got)
    return Cell(items, exact / items, value / items, steps / items)


def _says(line: str, example: Example) -> bool:
    words = line.replace(",", " ").replace(".", " ").replace("<", " <").replace(">", "> ").replace("}", " ").replace('"', " ").split()
    wanted = example.task.answer.replace(",", " ").split()
    spelt = example.task.word.split()
    return any(_inside(part, words) for part in (wanted, spelt) if part)


def _inside(part: list[str], words: list[str]) -> bool:
    return any(words[n : n + len(part)] == part for n in range(len(words)))
