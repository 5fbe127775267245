"""How hard the demo's search space is: random search against a simple hill climber, counted in model calls."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass, replace
from typing import Any

from paragrad.llm.embedded import EmbeddedModel
from paragrad.llm.embedded.phrases import BANK, STYLES
from paragrad.llm.embedded.questions import Counting, counting, draw_counting, exact
from paragrad.llm.types import Request, Response

BATCH = 15


@dataclass(frozen=True, slots=True)
class Prompt:
    """A point of the demo's search space."""

    phrases: tuple[str, ...] = ("Answer the question.",)
    style: str = "any"
    demos: int = 0

    def messages(self, question: str, shots: list[tuple[str, str]]) -> list[dict[str, str]]:
        """The chat for one question."""
        out = [{"role": "system", "content": " ".join([*self.phrases, STYLES[self.style]]).strip()}]
        for asked, answer in shots[: self.demos]:
            out += [{"role": "user", "content": f"Question: {asked}"}, {"role": "assistant", "content": answer}]
        return [*out, {"role": "user", "content": f"Question: {question}"}]


def worked_shots(count: int = 5) -> list[tuple[str, str]]:
    """Worked demonstrations from contents the demo may train on."""
    rng, shots = random.Random("shots"), list[tuple[str, str]]()
    while len(shots) < count:
        content: Counting = draw_counting(rng)
        if content.split() == "train":
            shots.append((content.show("{list}. How many {kinds} are there?"), f"{content.steps()}\n{content.answer}"))
    return shots


def score(model: EmbeddedModel, prompt: Prompt, rows: list[tuple[str, int]], shots: list[tuple[str, str]]) -> float:
    """Share of exact answers."""
    answers = model.complete([Request(messages=prompt.messages(question, shots), max_tokens=120) for question, _ in rows])
    right = [isinstance(a, Response) and exact(a.text, wanted) for a, (_, wanted) in zip(answers, rows, strict=True)]
    return sum(right) / len(rows)


def random_prompt(rng: random.Random) -> Prompt:
    """A random point: one to four phrases, a style, up to five demonstrations."""
    return Prompt(tuple(rng.sample(BANK, rng.randint(1, 4))), rng.choice(list(STYLES)), rng.choice((0, 0, 0, 1, 2, 3, 5)))


def neighbour(rng: random.Random, prompt: Prompt) -> Prompt:
    """One edit away."""
    roll = rng.random()
    if roll < 0.2:
        return replace(prompt, style=rng.choice(list(STYLES)))
    if roll < 0.4:
        return replace(prompt, demos=rng.choice((0, 1, 2, 3, 5)))
    kept = list(prompt.phrases)
    if roll < 0.75 or not kept:
        return replace(prompt, phrases=(*kept, rng.choice(BANK))) if len(kept) < 5 else replace(prompt, phrases=tuple(kept[1:]))
    kept.pop(rng.randrange(len(kept)))
    return replace(prompt, phrases=tuple(kept))


@dataclass(frozen=True, slots=True)
class Landscape:
    """Held-out exact match (%): start, best known, what searches reach, and each part alone."""

    start: float
    best: float
    random_150: list[float]
    random_phrases_150: list[float]
    climb_1000: list[float]
    alone: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def markdown(self) -> str:
        """A table."""
        rows = {
            "start (`Answer the question.`, no style)": f"{self.start:.1f}",
            **{name: f"{value:.1f}" for name, value in self.alone.items()},
            "all three": f"{self.best:.1f}",
            "random search over phrases and styles, no demonstrations, 150 calls": _spread(self.random_phrases_150),
            "random search over everything, 150 calls": _spread(self.random_150),
            "hill climbing over everything, 1,000 calls": _spread(self.climb_1000),
        }
        return "| prompt | exact match, % |\n|---|---:|\n" + "\n".join(f"| {name} | {value} |" for name, value in rows.items())


def _spread(values: list[float]) -> str:
    return f"{sum(values) / len(values):.1f} ({min(values):.1f} to {max(values):.1f}, {len(values)} seeds)"


def explore(model: EmbeddedModel, seeds: int = 6, items: int = 500) -> Landscape:
    """Measures the landscape of the counting demo."""
    shots, test = worked_shots(), counting(items, seed=99, split="test")

    def held_out(prompt: Prompt) -> float:
        return 100 * score(model, prompt, test, shots)

    start, steps = Prompt(), ("Answer the question.", "Think in steps.")
    alone = {
        "only `Think in steps.`": held_out(Prompt(steps)),
        "only the sentence style": held_out(Prompt(style="sentence")),
        "only the number style": held_out(Prompt(style="number")),
        "only 3 worked demonstrations": held_out(Prompt(demos=3)),
        "`Think in steps.` and the number style": held_out(Prompt(steps, "number")),
        "the number style and 3 worked demonstrations": held_out(Prompt(style="number", demos=3)),
        "two step phrases and the number style": held_out(Prompt((*steps, "Think carefully."), "number")),
        "`Think in steps.`, number, 1 demonstration": held_out(Prompt(steps, "number", 1)),
        "`Think in steps.`, number, 3 demonstrations, friendly": held_out(Prompt((*steps, "Be friendly!"), "number", 3)),
        "`Think in steps.`, number, friendly": held_out(Prompt((*steps, "Be friendly!"), "number")),
        "`Think in steps.`, number, `Take your time.`": held_out(Prompt((*steps, "Take your time."), "number")),
        "`Think in steps.`, number, `Answer at once.`": held_out(Prompt((*steps, "Answer at once."), "number")),
    }
    best = held_out(Prompt(steps, "number", 3))
    return Landscape(
        held_out(start),
        best,
        [held_out(_random_search(model, seed, shots, demos=True)) for seed in range(seeds)],
        [held_out(_random_search(model, seed, shots, demos=False)) for seed in range(seeds)],
        [held_out(_climb(model, seed, shots)) for seed in range(seeds)],
        alone,
    )


def _random_search(model: EmbeddedModel, seed: int, shots: list[tuple[str, str]], demos: bool, calls: int = 150) -> Prompt:
    rng = random.Random(f"random {seed}")
    rows = counting(BATCH, seed, split="train")
    tried = [random_prompt(rng) for _ in range(calls // BATCH)]
    tried = tried if demos else [replace(prompt, demos=0) for prompt in tried]
    return max(tried, key=lambda prompt: score(model, prompt, rows, shots))


def _climb(model: EmbeddedModel, seed: int, shots: list[tuple[str, str]], calls: int = 1000) -> Prompt:
    rng = random.Random(f"climb {seed}")
    rows = counting(BATCH * 2, seed, split="train")
    best = Prompt()
    top = score(model, best, rows, shots)
    for _ in range(calls // len(rows) - 1):
        prompt = neighbour(rng, best)
        reached = score(model, prompt, rows, shots)
        if reached >= top:
            best, top = prompt, reached
    return best
