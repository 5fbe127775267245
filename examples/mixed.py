"""One loop trains a prompt, demos, a threshold and a tensor; then each is put back, to see what it brought.

A model rates how angry a message is; torch turns the rating into the chance that it is urgent. Words and
demos are searched, the weights and the threshold follow the gradient. The model is simulated: it reads
capital letters only when told to, and sarcasm only when it has seen examples. No key, no network.

    python examples/mixed.py
"""

from __future__ import annotations

import math
import random
import re
from typing import Any

import numpy as np
import torch

import paragrad as pg
from paragrad.optimizers import SGD, Adam, BootstrapFewShot, EditSearch, partition

WORDS = ["my", "order", "is", "late", "again", "and", "nobody", "answers", "the", "phone", "at", "your", "shop", "since", "monday"]
PHRASES = ("Mind capital letters.", "Be brief.", "Think of the weather.", "Answer in French.")


def anger(message: str, *, capitals: bool = True, sarcasm: bool = True) -> int:
    """How angry a message is, to a reader who minds these signs."""
    loud = len(re.findall(r"\b[A-Z]{2,}\b", message))
    return message.count("!") + capitals * 2 * loud + sarcasm * 4 * ("thanks a lot" in message)


def reader(request: pg.llm.Request) -> str:
    """The simulated model: what it minds depends on the prompt."""
    prompt = "\n".join(str(message["content"]) for message in request.messages)
    message = str(request.messages[-1]["content"])
    return str(anger(message, capitals="capital letters" in prompt, sarcasm=prompt.count("thanks a lot") > ("thanks a lot" in message)))


def messages(count: int, seed: int) -> list[tuple[str, float]]:
    """Messages, and whether they are urgent: angry, and short."""
    draw = random.Random(seed)
    found = []
    for _ in range(count):
        words = draw.sample(WORDS, draw.randint(3, 12))
        words = [word.upper() if draw.random() < 0.3 else word for word in words] + ["thanks a lot"] * (draw.random() < 0.3)
        message = " ".join(words) + "!" * draw.randint(0, 3)
        found.append((message, float(anger(message) - 0.3 * len(words) > 2.0)))
    return found


@pg.from_torch
def chance(rating: int, length: float, weights: Any, threshold: Any) -> Any:
    """The chance that a message is urgent."""
    features = torch.tensor([float(rating), length], dtype=weights.dtype)
    return torch.sigmoid(features @ weights - threshold)


class Desk(pg.Module):
    """How urgent a message is, from 0 to 1."""

    def __init__(self) -> None:
        self.rate = pg.Generator("Rate the anger in the message as a whole number.", inputs=["message"], output=int, demos=3)
        self.weights: Any = pg.Parameter(np.array([0.1, 0.0]), "what anger and length count for")
        self.threshold: Any = pg.Parameter(1.0, "how much is urgent")

    def forward(self, message: str) -> Any:
        return chance(self.rate(message=message), len(str(message).split()) / 10, self.weights, self.threshold)


def closeness(output: Any, target: float) -> Any:
    """1 less the squared error; its gradient reaches the numbers."""
    return 1.0 - (output - target) ** 2


def train(seed: int = 0) -> tuple[pg.Result, list[tuple[str, float]]]:
    """Train all four, and score the result with each of them put back."""
    optimizer = partition({"text": EditSearch(bank=PHRASES), "demos": BootstrapFewShot(), "number": SGD(lr=1.0), "tensor": Adam(lr=0.1)})
    model, test = pg.llm.Fake(reader), messages(100, seed=3)
    program = Desk()
    first = {path: parameter.value for path, parameter in program.named_parameters().items()}
    result = pg.fit(
        program, messages(60, seed=1), messages(100, seed=2), test, metric=closeness, model=model, optimizer=optimizer,
        budget="3000 calls", seed=seed, progress=False, algorithm="minibatch",
    )  # fmt: skip
    table = [("as found", pg.evaluate(program, test, metric=closeness, model=model).score)]
    for path, value in first.items():
        with program.overlay({path: value}):
            table.append((f"without the trained {path}", pg.evaluate(program, test, metric=closeness, model=model).score))
    with program.overlay(first):
        table.append(("with none of them", pg.evaluate(program, test, metric=closeness, model=model).score))
    return result, table


if __name__ == "__main__":
    result, table = train()
    print(result.diff(), "\n")
    best = table[0][1]
    for name, score in table:
        print(f"{name:<40} {score:.3f}  {'' if math.isclose(score, best) else f'{score - best:+.3f}'}")
