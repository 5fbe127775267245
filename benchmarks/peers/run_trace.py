"""Trace on the landscapes: its graph, backward and OptoPrime, with a scripted model that answers OptoPrime's prompt.

Setting: ``OptoPrime b=N``: a minibatch's outputs are joined by a bundle, and every step is taken (there is no gate).
Minibatches without a failure are skipped. The model suggests new values for the variables that the feedback names.
"""

from __future__ import annotations

import json
import random
import warnings
from types import SimpleNamespace
from typing import Any

from opto.optimizers import OptoPrime
from opto.trace import bundle, node
from opto.trace.nodes import GRAPH

from benchmarks.peers.serving import Task, serve


class Model:
    """Answers OptoPrime: the scripted rewrite of every variable that the feedback names."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.variables: dict[str, Any] = {}  # component to node

    def __call__(self, *, messages: list[dict[str, str]], **_: Any) -> Any:
        """One chat completion."""
        said = messages[-1]["content"].rpartition("#Feedback")[2].splitlines()
        suggestion = {}
        for name in self.task.blamed(said):
            variable = self.variables[name]
            suggestion[variable.py_name] = self.task.rewrite(name, variable.data, said)
        content = json.dumps({"reasoning": "scripted", "answer": "", "suggestion": suggestion})
        return SimpleNamespace(choices=[SimpleNamespace(message=SimpleNamespace(content=content))])


@bundle()  # type: ignore[misc]
def program(example: int, *texts: str) -> str:
    """What the components make of an example."""
    return f"an answer to {example}"


@bundle()  # type: ignore[misc]
def joined(*outputs: str) -> str:
    """The outputs of a minibatch."""
    return "\n".join(outputs)


def run(task: Task) -> None:
    """One run."""
    GRAPH.clear()
    size = int(task.setting.split("b=")[1])
    model = Model(task)
    model.variables = variables = {name: node(text, name=name, trainable=True) for name, text in task.start.items()}
    optimizer = OptoPrime(list(variables.values()), llm=model, log=False)
    rng = random.Random(task.seed)

    def texts() -> dict[str, str]:
        return {name: variable.data for name, variable in variables.items()}

    while task.counter.calls < task.budget:
        examples = list(task.landscape.train)
        rng.shuffle(examples)
        for first in range(0, len(examples) - size + 1, size):
            batch = examples[first : first + size]
            task.look(texts())
            if task.counter.calls >= task.budget:
                return
            found = [task.observe(example, texts()) for example in batch]
            if all(score >= 1 for score, _ in found):
                continue
            target = joined(*[program(example, *variables.values()) for example in batch])
            optimizer.zero_feedback()
            optimizer.backward(target, "\n".join(f"ID [{place}]: {said}" for place, (_, said) in enumerate(found)))
            optimizer.step()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    serve(run)
