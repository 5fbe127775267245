"""Puts phrases, demonstrations and a question together in the many layouts a user might choose."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from tools.embedded_model.concepts import STYLES, by_concept
from tools.embedded_model.policy import Behaviour, Demos, decide
from tools.embedded_model.skills import OPERATIONS, SKILLS, listing
from tools.embedded_model.tasks import Task, final_line

Message = dict[str, str]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things stand: phrases in the system message, before or after the question; field names; separators."""

    place: str = "system"
    field: str = ""
    suffix: bool = False
    turns: bool = True
    gap: str = "\n"
    joiner: str = " "


@dataclass(frozen=True, slots=True)
class Example:
    """A conversation and the reply the policy asks for. Assistant turns are worked demonstrations."""

    messages: list[Message]
    task: Task
    behaviour: Behaviour
    trace: str
    final: str

    @property
    def reply(self) -> str:
        return f"{self.trace}\n{self.final}" if self.trace else self.final


_FIELDS = ("", "", "", "Question: ", "Question: ", "Question: ", "question: ", "Input: ", "Q: ")
_CHANCES = (
    ("neutral", 0.5), ("steps", 0.42), ("think", 0.16), ("check", 0.12), ("expert", 0.1), ("direct", 0.12),
    ("terse", 0.08), ("friendly", 0.08), ("pirate", 0.05), ("digits", 0.1), ("irrelevant", 0.25),
)  # fmt: skip


def draw_concepts(rng: random.Random) -> list[str]:
    """A random set of instructions, from none to eight, in random order."""
    if rng.random() < 0.12:
        return ["neutral"] if rng.random() < 0.5 else []
    chosen = [concept for concept, chance in _CHANCES if rng.random() < chance]
    if "irrelevant" in chosen and rng.random() < 0.3:
        chosen.append("irrelevant")
    if "steps" in chosen and rng.random() < 0.15:
        chosen.append(rng.choice(["think", "check", "steps"]))
    if rng.random() < 0.6:
        chosen += rng.sample(STYLES, 2) if rng.random() < 0.15 else rng.choices(STYLES, weights=(5, 1, 1, 1, 1, 1))
    rng.shuffle(chosen)
    return chosen


def draw_layout(rng: random.Random) -> Layout:
    """A random layout."""
    turns = rng.random() < 0.6
    return Layout(
        place=rng.choices(("system", "before", "after", "split"), weights=(9, 6, 2, 3))[0],
        field=rng.choice(_FIELDS) if turns else rng.choice(("Question: ", "question: ", "Q: ")),
        suffix=rng.random() < 0.2 if turns else True,
        turns=turns,
        gap=rng.choice(("\n", "\n", "\n\n", " ")),
        joiner=rng.choice((" ", " ", "\n")),
    )


def draw_demos(rng: random.Random, skill: str) -> Demos:
    """How many demonstrations, worked or direct, and their style."""
    weights = (50, 8, 8, 20, 8, 6) if skill != "list" else (25, 12, 10, 25, 15, 13)
    count = rng.choices(range(6), weights=weights)[0]
    style = rng.choices(STYLES, weights=(6, 1, 1, 1, 1, 1))[0]
    return Demos(count, rng.random() < 0.65, style)


def answer_field(layout: Layout) -> str:
    """The name of the answer that goes with the question's field name."""
    return {"Question: ": "Answer:", "question: ": "answer:", "Q: ": "A:", "Input: ": "Output:"}.get(layout.field, "Answer:")


def compose(phrases: Sequence[str], shown: Sequence[tuple[str, str]], question: str, layout: Layout) -> list[Message]:
    """The messages of a prompt."""
    before, after = list(phrases), list[str]()
    if layout.place == "after":
        before, after = [], before
    elif layout.place == "split":
        half = len(before) // 2
        before, after = before[:half], before[half:]
    head = layout.joiner.join(before)
    tail = layout.joiner.join(after)
    messages: list[Message] = []
    if head and layout.place in ("system", "split"):
        messages, head = [{"role": "system", "content": head}], ""
    ask = layout.field + question + (layout.gap + tail if tail else "")
    if shown and not layout.turns:
        blocks = "\n\n".join(f"{layout.field}{q}\n{answer_field(layout)} {a}" for q, a in shown)
        return [*messages, {"role": "user", "content": f"{head}{layout.gap if head else ''}{blocks}\n\n{ask}\n{answer_field(layout)}"}]
    for q, a in shown:
        messages += [{"role": "user", "content": layout.field + q}, {"role": "assistant", "content": a}]
    suffix = f"\n{answer_field(layout)}" if layout.suffix else ""
    return [*messages, {"role": "user", "content": f"{head}{layout.gap if head else ''}{ask}{suffix}"}]


def reply_to(task: Task, behaviour: Behaviour) -> tuple[str, str]:
    """The worked steps (or nothing) and the final line."""
    return (task.steps if behaviour.steps else ""), final_line(task, behaviour)


def show_reply(task: Task, behaviour: Behaviour) -> str:
    """The whole reply."""
    trace, final = reply_to(task, behaviour)
    return f"{trace}\n{final}" if trace else final


def draw_task(rng: random.Random, skill: str, operation: str | None, held_out: bool) -> Task:
    """A task of a skill, held out of training or not."""
    while True:
        task = listing(rng, operation) if skill == "list" else SKILLS[skill](rng)
        if task.held_out == held_out:
            return task


def build(
    rng: random.Random,
    skill: str,
    concepts: Sequence[str],
    demos: Demos,
    layout: Layout,
    *,
    held_out: bool = False,
    say_operation: bool = True,
    new_words: bool = False,
) -> Example:
    """One example. ``held_out`` draws unseen content, ``new_words`` unseen paraphrases."""
    bank, seen = by_concept(new_words), by_concept(False)
    phrases = [rng.choice(bank[concept] or seen[concept]) for concept in concepts]
    operation = None
    if skill == "list" and (say_operation or demos.count or held_out):
        operation = rng.choice(list(OPERATIONS))
        if say_operation:
            phrases.insert(rng.randint(0, len(phrases)), rng.choice(OPERATIONS[operation]))
    task = draw_task(rng, skill, operation, held_out)
    like = Behaviour(demos.steps, demos.style)
    shown: list[tuple[str, str]] = []
    while len(shown) < demos.count:
        shot = draw_task(rng, skill, operation, False)
        if shot.question != task.question:
            shown.append((shot.question, show_reply(shot, like)))
    behaviour = decide(concepts, task.bar, demos)
    trace, final = reply_to(task, behaviour)
    return Example(compose(phrases, shown, task.question, layout), task, behaviour, trace, final)


MIX = {"count": 42, "story": 16, "list": 18, "relation": 9, "extract": 6, "kind": 4, "route": 5}
EASY_MIX = {"count": 30, "story": 20, "list": 8, "relation": 16, "extract": 6, "kind": 14, "route": 6}


def draw_example(rng: random.Random, *, easy: bool = False) -> Example:
    """One training example; ``easy`` ones, for the beginning, mostly show no demonstrations."""
    mix = EASY_MIX if easy else MIX
    skill = rng.choices(list(mix), weights=list(mix.values()))[0]
    demos = draw_demos(rng, skill)
    if easy and rng.random() < 0.8:
        demos = Demos()
    say = rng.random() < (0.4 if demos.count else 0.85)
    return build(rng, skill, draw_concepts(rng), demos, draw_layout(rng), say_operation=say)
