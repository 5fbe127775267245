"""Prompt and weights of a language model trained together: the embedded model learns to work in steps.

Low-rank factors beside its matrices follow the gradient of the loss, the instruction is searched; every
step takes the candidate with the smallest loss. Then the factors are merged and the model answers
questions it never saw. Needs the extra ``[torch]``; no key, no network, about a minute.

    python examples/embedded_weights.py
"""

from __future__ import annotations

import random
from typing import Any

import paragrad as pg
from paragrad.llm.embedded.questions import SIZES, draw_counting, final_answer
from paragrad.optimizers import Adam, EditSearch, partition

WORDING = "{list}. How many {kinds}?"
PHRASES = ("Think in steps.", "Take your time.", "Answer at once.", "Be brief.")


def questions(count: int, split: str, seed: int = 0) -> list[tuple[str, str, int]]:
    """Questions, answers with their steps, and the numbers; no question is in two splits."""
    draw = random.Random(seed)
    found: dict[str, tuple[str, int]] = {}
    while len(found) < count:
        content = draw_counting(draw, SIZES)
        if content.split() == split:
            found[content.show(WORDING)] = (f"{content.steps()}\n{content.answer}", content.answer)
    return [(question, *answer) for question, answer in found.items()]


class Counter(pg.Module):
    """An instruction, and a model with trainable weights; a call is the loss on some questions."""

    def __init__(self) -> None:
        self.instruction: Any = pg.Parameter("Answer the question.")
        self.tuned = pg.ops.trainable(rank=4, matrices=("qkv", "out"))

    def forward(self, rows: list[tuple[str, str, int]]) -> Any:
        return self.tuned([self.prompt(question) for question, _, _ in rows], [answer for _, answer, _ in rows])

    def prompt(self, question: str) -> Any:
        return pg.format("{instruction}\n{question}", instruction=self.instruction, question=question)

    def right(self, rows: list[tuple[str, str, int]]) -> float:
        """The share of questions whose last line is the right number, answered with the weights of now."""
        asked = [pg.llm.Request([{"role": "user", "content": self.prompt(question).value}], max_tokens=100) for question, _, _ in rows]
        replies = self.tuned.model().complete(asked)
        return sum(final_answer(reply.text) == str(number) for reply, (_, _, number) in zip(replies, rows, strict=True)) / len(rows)


def main(steps: int = 8, test: int = 50) -> dict[str, float]:
    """Train, and measure on held-out questions: before, after, and with each half put back."""
    program, rows, held_out = Counter(), questions(120, "train"), questions(test, "test")
    optimizer: Any = partition({"text": EditSearch(bank=PHRASES), "tensor": Adam(lr=0.02)}, program.parameters())
    first = {path: parameter.value for path, parameter in program.named_parameters().items()}
    found = {"before": program.right(held_out)}
    for step in range(steps):
        batch = [rows[(step * 8 + i) % len(rows)] for i in range(8)]
        optimizer.zero_grad()
        program(batch).backward()
        losses: list[tuple[float, int, Any]] = []
        for candidate in optimizer.propose(n=3):
            with pg.parameter_context(candidate):
                losses.append((program.predict(batch), len(losses), candidate))
        optimizer.step(min(losses)[-1])
    found["after"] = program.right(held_out)
    with program.overlay({"instruction": first["instruction"]}):
        found["trained weights, first instruction"] = program.right(held_out)
    with program.overlay({path: value for path, value in first.items() if path != "instruction"}):
        found["first weights, trained instruction"] = program.right(held_out)
    return found


if __name__ == "__main__":
    for name, value in main().items():
        print(f"{name:<40} {value:.2f}")
