"""The scripted writer: a model that proposes, critic included, from nothing but the prompt it is sent. Simulated.

It finds what is said of the program's answers in the prompt of whichever optimizer asks, turns it into lessons, and puts
them into the values that the prompt shows. It misses some, and now and then adds a sentence that is of no use.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from paragrad.llm.fake import Fake

BLOCK = re.compile(r"^## (\S+)[^\n]*\n(?:(?!```|## )[^\n]*\n)*?```\n((?:(?!```)[^\n]*\n)*)```", re.MULTILINE)
"""A Parameter as every optimizer's prompt shows it: its name, lines about it, its value between fences."""

VALUE_ENDS = re.compile(r"^# (?:Beside|Parameters beside|Fixed|Constraints|Examples|What happened)", re.MULTILINE)
LEARNS, WANDERS = 0.8, 0.3
"""Chances that a lesson is taken, and that a useless sentence comes along."""


@dataclass(frozen=True)
class Lesson:
    """What a complaint teaches.

    Attributes:
        said: pattern of the complaint. ``learnt``: what to write, with the pattern's groups.
        where: pattern of the names of the Parameters that it belongs into.
    """

    said: str
    learnt: str
    where: str = ""


def writer(lessons: Sequence[Lesson], seed: int) -> Fake:
    """A simulated model that knows these lessons when it meets them."""

    def reply(request: Any) -> str:
        prompt = "\n".join(str(message["content"]) for message in request.messages)
        if "\n# Wanted\n" in prompt:
            return _criticised(prompt, lessons)
        rng = random.Random(f"{seed}|{prompt}")
        values = {name: new for name, old in shown(prompt).items() if (new := _changed(name, old, prompt, lessons, rng)) != old}
        return json.dumps({"values": values} if values else {"no_change": True})

    return Fake(reply, name="scripted writer")


def shown(prompt: str) -> dict[str, Any]:
    """The values that may be changed, by name; of those in a history the best one, which comes last."""
    end = VALUE_ENDS.search(prompt)
    variables = prompt.partition("# Variables")[2].partition("\n# Constraints")[0]  # OptoPrime shows the code first
    found = dict(BLOCK.findall(variables or prompt[: end.start() if end else None]))
    history = prompt.partition("# Tried values, best last")[2].partition("\n# ")[0]
    for name in found:
        tried = re.findall(rf"^{re.escape(name)}: (.*)$", history, re.MULTILINE)
        found[name] = tried[-1] if tried else found[name]
    return {name: _read(text) for name, text in found.items()}


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text.strip("\n")


def _changed(name: str, old: Any, prompt: str, lessons: Sequence[Lesson], rng: random.Random) -> Any:
    learnt = [
        match.expand(lesson.learnt)
        for lesson in lessons
        if re.search(lesson.where, name)
        for match in sorted(re.finditer(lesson.said, prompt), key=lambda match: match.start())
    ]
    taken = [words for words in dict.fromkeys(learnt) if rng.random() < LEARNS]
    if isinstance(old, dict):
        return {**old, **dict(words.split("=", 1) for words in taken)}
    if isinstance(old, list):
        return [*old, *(words for words in taken if words not in old)]
    if not isinstance(old, str):
        return old
    useless = [f"Keep point {rng.randrange(1000)} in mind."] if learnt and rng.random() < WANDERS else []
    return " ".join([old, *(words for words in [*taken, *useless] if words not in old)])


def _criticised(prompt: str, lessons: Sequence[Lesson]) -> str:
    """As a critic: to every wanted argument the complaints of the feedback, in its own words."""
    feedback, _, wanted = prompt.rpartition("# Feedback on the output\n")[2].partition("\n# Wanted\n")
    said = [match[0] for lesson in lessons for match in re.finditer(lesson.said, feedback)]
    return json.dumps({name: " ".join(dict.fromkeys(said)) or None for name in re.findall(r"^- (\w+)", wanted, re.MULTILINE)})
