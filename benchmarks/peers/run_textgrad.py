"""TextGrad on the landscapes: its graph, backward and TextualGradientDescent, with a scripted engine in every role.

The engine answers as a model would be asked to: the program's call with the example's outcome, the loss with the feedback, the
critic with the feedback it was shown, and the optimizer with the scripted rewrite. Settings: ``step b=N`` is the loop of its
README; ``revert b=N`` scores the whole validation set after every step and takes a worse step back, as its tutorial does.
Minibatches without a failure are skipped in both.
"""

from __future__ import annotations

import logging
import random
import re
import time
from collections.abc import Iterator
from typing import Any

import textgrad as tg
from textgrad.autograd import FormattedLLMCall
from textgrad.engine import EngineLM
from textgrad.optimizer.optimizer_prompts import OPTIMIZER_SYSTEM_PROMPT

from benchmarks.peers.serving import Job, Task, serve, timed

OUTCOME = re.compile(r"<LM_OUTPUT> (.*?) </LM_OUTPUT>")
FEEDBACK = re.compile(r"<FEEDBACK>(.*?)</FEEDBACK>", re.DOTALL)
ROLE = re.compile(r"<ROLE>text of (c\d+)</ROLE>")
JUDGE = "Say what is wrong with the outcome."


class Engine(EngineLM):  # type: ignore[misc]
    """Every model of TextGrad, scripted."""

    model_string = "scripted"

    def __init__(self, task: Task) -> None:
        self.task = task
        self.texts: dict[str, Any] = {}  # component to Variable

    def values(self) -> dict[str, str]:
        """Component to text."""
        return {name: str(variable.value) for name, variable in self.texts.items()}

    def generate(self, prompt: str, system_prompt: str | None = None, **_: Any) -> str:
        """One answer, by what is asked."""
        if prompt.startswith("example "):
            return self.task.observe(int(prompt.split()[1]), self.values())[1]
        if system_prompt == JUDGE:
            return prompt
        if system_prompt is not None and system_prompt[:60] == OPTIMIZER_SYSTEM_PROMPT[:60]:
            name = ROLE.findall(prompt)[0]
            said = sorted(FEEDBACK.findall(prompt))  # it keeps gradients in a set, in no order
            return f"<IMPROVED_VARIABLE>{self.task.rewrite(name, self.values()[name], said)}</IMPROVED_VARIABLE>"
        return str(OUTCOME.findall(prompt)[-1])

    __call__ = generate


def batches(task: Task, size: int) -> Iterator[list[int]]:
    """Shuffled minibatches without end."""
    rng = random.Random(task.seed)
    while True:
        examples = list(task.landscape.train)
        rng.shuffle(examples)
        yield from (examples[first : first + size] for first in range(0, len(examples) - size + 1, size))


def run(task: Task) -> None:
    """One run."""
    how, size = task.setting.split()[0], int(task.setting.split("b=")[1])
    engine = Engine(task)
    tg.set_backward_engine(engine, override=True)
    texts = {name: tg.Variable(text, role_description=f"text of {name}", requires_grad=True) for name, text in task.start.items()}
    engine.texts = texts
    names = ["example", *texts]
    call = FormattedLLMCall(engine, "example " + " ".join(f"{{{name}}}" for name in names), {name: {} for name in names})
    loss = tg.TextLoss(JUDGE, engine)
    optimizer = tg.TextualGradientDescent(list(texts.values()), engine=engine)
    best = _validated(task, engine) if how == "revert" else 0.0
    task.look(engine.values())
    for batch in batches(task, size):
        if task.counter.calls >= task.budget:
            return
        optimizer.zero_grad()
        inputs = [tg.Variable(str(example), requires_grad=False, role_description="an example") for example in batch]
        losses = [loss(call({"example": one, **texts})) for one in inputs]
        if all(one.value == "correct" for one in losses):
            continue
        tg.sum(losses).backward()
        before = engine.values()
        optimizer.step()
        if how == "revert":
            now = _validated(task, engine)
            best = max(best, now)
            if now < best:
                for name, text in before.items():
                    texts[name].set_value(text)
        task.look(engine.values())


def _validated(task: Task, engine: Engine) -> float:
    return sum(task.observe(example, engine.values())[0] for example in task.landscape.validate)


class Slow(EngineLM):  # type: ignore[misc]
    """A model that takes its time, and counts."""

    model_string = "slow"

    def __init__(self, seconds: float) -> None:
        self.seconds, self.calls = seconds, 0

    def generate(self, prompt: str, system_prompt: str | None = None, **_: Any) -> str:
        """A word."""
        self.calls += 1
        time.sleep(self.seconds)
        return "fine"

    __call__ = generate


def step(job: Job) -> dict[str, Any]:
    """Forward and backward of a batch through two prompts (P4): seconds, and the critic's calls."""
    model, critic = Slow(job["task_seconds"]), Slow(job["task_seconds"])
    tg.set_backward_engine(critic, override=True)
    plan, answer = (tg.Variable(text, role_description=f"the prompt {text}", requires_grad=True) for text in ("Plan.", "Answer."))
    first, second = tg.BlackboxLLM(model, system_prompt=plan), tg.BlackboxLLM(model, system_prompt=answer)
    outputs: list[Any] = []

    def forward() -> None:
        inputs = [tg.Variable(f"q{number}", requires_grad=False, role_description="a question") for number in range(job["items"])]
        outputs.extend(second(first(one)) for one in inputs)

    def backward() -> None:
        for place, output in enumerate(outputs):
            if place < job["wrong"]:
                output.gradients.add(tg.Variable("wrong", role_description="feedback"))
        tg.sum(outputs).backward()

    found = {"forward": timed(forward)["wall"], "backward": timed(backward)["wall"]}
    return {**found, "calls": critic.calls}


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    serve(run, step=step)
