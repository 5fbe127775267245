"""A generative router beside a prompt: which way to answer is drawn, with a chance that is trained by scores, and the
prompt of the careful way is trained by words, in one loop.

A rule answers for nothing, but only knows short messages; a model is right about all of them once its prompt says what
to mind, and costs a little. The model, and the one that rewrites prompts, are simulated. No key, no network.

    python examples/generative_mixed.py
"""

from __future__ import annotations

import json
import random
from typing import Any

import paragrad as pg
from paragrad import gen
from paragrad.optimizers import SGD, TextGrad, partition

TEAMS = {"invoice": "billing", "refund": "billing", "crash": "bug", "error": "bug"}
FILLER = ["my", "order", "is", "here", "since", "monday", "and", "nobody", "answers", "at", "your", "shop"]
COST = 0.2


def team(message: str) -> str:
    """The team that a message is for: the last of the words that name one."""
    return [TEAMS[word] for word in message.split() if word in TEAMS][-1]


def messages(count: int, seed: int) -> list[tuple[str, str]]:
    """Short messages with one such word, long ones with two, and their team; each message once."""
    draw = random.Random(seed)
    found: dict[str, str] = {}
    while len(found) < count:
        long = draw.random() < 0.5
        words = draw.sample(FILLER, 8 if long else 2)
        for word in draw.sample(list(TEAMS), 2 if long else 1):
            words.insert(draw.randint(0, len(words)), word)
        message = " ".join(words)
        found[message] = team(message)
    return list(found.items())


def reader(request: pg.llm.Request) -> str:
    """The simulated model: unless told to mind the last word, it goes by the first."""
    prompt, message = str(request.messages[0]["content"]), str(request.messages[-1]["content"])
    named = [TEAMS[word] for word in message.split() if word in TEAMS]
    return named[-1] if "last complaint" in prompt else named[0]


def writer(request: pg.llm.Request) -> str:
    """The simulated rewriter: it follows the feedback it is shown."""
    prompt = str(request.messages[-1]["content"])
    said = "last complaint counts" in prompt
    return json.dumps(
        {"values": {"answer.instruction": "Name the team. Mind that the last complaint counts."}} if said else {"no_change": True}
    )


class Desk(pg.Module):
    """Names the team for a message, by a rule or with a model."""

    def __init__(self) -> None:
        self.answer = pg.Generator("Name the team.", inputs=["message"])
        self.bias: Any = pg.Parameter(0.0, "how ready to ask the model")
        self.slope: Any = pg.Parameter(0.0, "what the length of a message counts for")

        @pg.stochastic
        @gen.generative
        def careful(length: float) -> bool:
            chance = gen.sigmoid(gen.param(self.bias) + gen.param(self.slope) * (length - 6.0))
            asks: bool = gen.sample(gen.bernoulli(chance), "careful")
            return asks

        self.careful = careful

    def forward(self, message: str) -> str:
        """The team, and whether the model was asked."""
        words = message.split()
        if self.careful(float(len(words))):
            answer: str = pg.format("{team}, asked", team=self.answer(message=message))
            return answer
        return next(TEAMS[word] for word in words if word in TEAMS)


def usefulness(output: str, target: str) -> tuple[float, str]:
    """1 for the right team, less the cost of asking; and what to mind."""
    score = float(output.startswith(target)) - COST * output.endswith("asked")
    return score, "" if output.startswith(target) else "Wrong team: the last complaint counts."


def train(seed: int = 0) -> tuple[pg.Result, Desk]:
    """Train prompt and router together."""
    program = Desk()
    optimizer = partition({"text": TextGrad(critic=lambda record, feedback: feedback), "number": SGD(lr=4.0)})
    result = pg.fit(
        program, messages(240, seed=1), metric=usefulness, model=pg.llm.Fake(reader), optimizer=optimizer,
        optimizer_model=pg.llm.Fake(writer), budget="4000 calls", seed=seed, progress=False, algorithm="minibatch",
    )  # fmt: skip
    return result, program


if __name__ == "__main__":
    result, desk = train()
    print(result, "\n")
    for length in (3.0, 10.0):
        asked = sum(desk.careful.predict(length) for _ in range(200)) / 200
        print(f"a message of {length:.0f} words: the model is asked with probability {asked:.2f}")
