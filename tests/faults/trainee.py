"""A short training that fault tests kill, starve and disturb: run as a script, or imported.

The model is scripted: whether it answers right depends on the instruction, the style, the demos and
a hash of the question, so there is something to learn and everything is a function of the prompt.

    python trainee.py HOME LOG [--name NAME] [--workers N] [--cache] [--store URL] [--budget TEXT]
                      [--algorithm NAME] [--optimizer edit|asking|critic]

``LOG`` gets one line per call that reached the model: its coordinate.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from random import Random
from typing import Any

from paragrad import data, registry, stores
from paragrad.llm import stack
from paragrad.llm.fake import Fake
from paragrad.llm.layer import current_call
from paragrad.modules import Generator
from paragrad.optimizers import BootstrapFewShot, EditSearch, partition
from paragrad.spaces import Choice
from paragrad.trace import Module, Parameter, bundle
from paragrad.trainers import MinibatchAlgorithm
from tests.trainers.scripted import criticism, proposal

BANK = ("Think first.", "Check the units.", "Answer in one word.", "Never guess.", "Read it twice.")
GOOD = {"Think first.": 25, "Read it twice.": 20, "Never guess.": -20}
STYLES = {"plain": 0, "careful": 20, "hasty": -30}


def percent(text: str) -> int:
    """A number from 0 to 99 that is the same everywhere."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") % 100


def reply(request: Any) -> str:
    """Right for as many questions as the prompt is good; proposals and criticisms for those who ask for them."""
    whole = str(request.messages[-1]["content"])
    if "# Wanted" in whole or "Reply with one JSON object" in whole:
        return criticism(whole) if "# Wanted" in whole else proposal(whole)
    system = request.messages[0]["content"]
    question = request.messages[-1]["content"]
    skill = 20 + sum(worth for phrase, worth in GOOD.items() if phrase in system)
    skill += STYLES[next(s for s in STYLES if f"style {s}" in system)] + 5 * (len(request.messages) // 2 - 1)
    return f"a{question[1:]}" if percent(question) < skill else "no idea"


class Answers(Module):
    """One instruction, one style, some demos."""

    def __init__(self, store: Any = None) -> None:
        self.style = Parameter("plain", "the style", space=Choice(list(STYLES)), store=store, name="style" if store else None)
        self.answer = Generator("Answer the question.", demos=2, template="{instruction} {style}", max_tokens=20)

    def forward(self, question: Any) -> Any:
        """Ask."""
        return self.answer(question=question, style=styled(self.style))


@bundle(effects=())
def styled(style: str) -> str:
    """The style in words."""
    return f"style {style}"


def metric(output: Any, target: Any) -> bool:
    """Exactly right."""
    return bool(output == target)


def rows(name: str, count: int) -> Any:
    """Questions and answers of one split."""
    found = [(f"q{name}{i}", f"a{name}{i}") for i in range(count)]
    return data.rows(found).bind(["question"])


class Short(MinibatchAlgorithm):
    """Small steps, an easy gate: something is accepted."""

    batch_size = 6
    candidates = 4
    finalists = 2
    alpha = 0.3
    patience = 3
    steps = 4


SIZES: dict[str, dict[str, Any]] = {
    "basic": {"proposals": 3, "patience": 3},
    "beam": {"proposals": 2, "sample": 8, "beam": 3, "patience": 7},
    "pareto": {"proposals": 2, "climbs": 2, "first": 4, "merge_every": 3, "patience": 6},
    "ucb": {"sample": 6, "patience": 8},
}
"""What keeps a run of an algorithm within some hundred calls."""


def short(name: str) -> Any:
    """An algorithm, made small."""
    if name == "minibatch":
        return Short
    base = registry.algorithms.get(name)
    return type(f"Short{base.__name__}", (base,), {**SIZES.get(name, {}), "batch_size": 6})


def optimizer(words: str = "edit") -> Any:
    """Something for words, edits for choices, bootstrapped demos.

    Args:
        words: "edit", "asking" (a model proposes) or "critic" (a model criticises, too).
    """
    edit = EditSearch(bank=BANK)
    text = {"edit": edit, "asking": "reflect", "critic": "textgrad"}[words]
    return partition({"text": text, "choice": edit, "demos": BootstrapFewShot()})


def trainer(model: Any, program: Any = None, algorithm: Any = Short, **options: Any) -> Any:
    """The training, ready to run. ``algorithm``: a class, or the name of one that is made small."""
    algorithm = short(algorithm) if isinstance(algorithm, str) else algorithm
    given = {
        "validate": rows("v", 16),
        "test": rows("t", 16),
        "budget": "400 calls",
        "workers": 8,
        "parameters": None,
        "optimizer_model": model,
        **options,
    }
    loader = data.DataLoader(rows("x", 12), algorithm.batch_size, shuffle=True)
    made = algorithm(program or Answers(), given.pop("optimizer", optimizer()), loader, given.pop("guide", metric), model=model, **given)
    return made


def score_of(values: Any) -> float:
    """What the program scores on the validation rows with these values, by itself."""
    program = Answers()
    named = {p.id: p for p in program.parameters()}
    for id, value in values.items():
        named[id].data = value
    bound = program.bind(model=stack(Fake(reply), cache=False))
    return sum(bound.predict(question=f"qv{i}") == f"av{i}" for i in range(16)) / 16


class Logged:
    """A backend that logs every call it is asked, and takes a random while."""

    def __init__(self, log: str | None = None, *, seconds: float = 0.0, seed: int = 0, script: Any = reply) -> None:
        self.fake = Fake(script)
        self.name, self.identity = "logged", "logged-1"
        self.file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT) if log else None
        self.seconds = seconds
        self.random = Random(seed)
        self.count = 0

    def complete(self, requests: list[Any], /) -> list[Any]:
        """Log, wait, answer."""
        call = current_call()
        self.count += len(requests)
        if self.file is not None:
            os.write(self.file, f"{call.at if call else '?'}\n".encode())
        if self.seconds:
            time.sleep(self.random.random() * self.seconds)
        return self.fake.complete(requests)


def main() -> None:
    """Train, then print the digest and the result."""
    words = argparse.ArgumentParser()
    words.add_argument("home")
    words.add_argument("log")
    words.add_argument("--name", default="r")
    words.add_argument("--workers", type=int, default=8)
    words.add_argument("--cache", action="store_true")
    words.add_argument("--store")
    words.add_argument("--publish")
    words.add_argument("--budget", default="400 calls")
    words.add_argument("--seconds", type=float, default=0.004)
    words.add_argument("--algorithm", default="minibatch")
    words.add_argument("--optimizer", default="edit")
    given = words.parse_args()
    wire = Logged(given.log, seconds=given.seconds, seed=os.getpid())
    model = stack(wire, cache=f"{given.home}/cache.sqlite" if given.cache else False, backoff=0.01)
    made = trainer(
        model, Answers(given.store), given.algorithm, optimizer=optimizer(given.optimizer), run=given.name, home=given.home,
        workers=given.workers, budget=given.budget, store=given.publish,
    )  # fmt: skip
    os.write(1, b"started\n")
    result = made.train()
    whole = {"sha256": result.sha256, "json": result.to_json(), "applied": result.applied}
    whole["now"] = {name: str(parameter.value) for name, parameter in made.parameters.items()}
    whole["versions"] = len(made.parameters["style"].history())
    if given.publish:
        store = stores.open(given.publish)
        whole["published"] = {id: [str(entry.value) for entry in store.history(id)] for id in store.ids()}
    sys.stdout.write(json.dumps(whole) + "\n")


if __name__ == "__main__":
    main()
