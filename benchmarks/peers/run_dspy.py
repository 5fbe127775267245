"""DSPy on the landscapes: ``dspy.GEPA`` with the scripted proposer as its ``instruction_proposer``.

Settings: ``GEPA [SELECTION] b=N [COMPONENTS]``; ``MIPROv2 light`` and ``SIMBA`` only for the use of the slots, because their
proposals cannot be the scripted ones: the model that they ask says nothing of use. The model is simulated.
"""

from __future__ import annotations

import logging
import re
import time
import warnings
from collections.abc import Mapping
from typing import Any

import dspy
from dspy.lm15 import Message, Response, TextPart, Usage

from benchmarks.peers.serving import Job, Task, serve, timed

FIELDS = re.compile(r"\[\[ ## (\w+) ## \]\]")
STEPS = 4  # of SIMBA


class Engine:
    """Answers every output field that a prompt asks for, after a while, and counts."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.calls = seconds, 0

    def complete(self, request: Any) -> Any:
        """The fields named last in the prompt, each with a word."""
        self.calls += 1
        if self.seconds:
            time.sleep(self.seconds)
        asked = request.messages[-1].text or ""
        _, _, tail = asked.rpartition("Respond with")
        names = [name for name in dict.fromkeys(FIELDS.findall(tail)) if name != "completed"] or ["answer"]
        said = "\n\n".join(f"[[ ## {name} ## ]]\nfine" for name in names) + "\n\n[[ ## completed ## ]]"
        usage = Usage(input_tokens=0, output_tokens=0, total_tokens=0)
        return Response(id=None, model="scripted", message=Message.assistant([TextPart(said)]), finish_reason="stop", usage=usage)


class Short(dspy.Adapter):  # type: ignore[misc]
    """An adapter that answers without a prompt: what is measured in calls needs no words."""

    def __call__(self, lm: Any, lm_kwargs: Any, signature: Any, demos: Any, inputs: Any) -> list[dict[str, str]]:
        """Every output field with a word."""
        return [dict.fromkeys(signature.output_fields, "fine")]


class Program(dspy.Module):  # type: ignore[misc]
    """One predictor per component; the instruction is its text."""

    def __init__(self, task: Task, start: Mapping[str, str]) -> None:
        super().__init__()
        self.task, self.names = task, task.components
        for name, text in start.items():
            setattr(self, name, dspy.Predict(dspy.Signature("example -> answer", text)))

    def deepcopy(self) -> Any:
        """A copy that counts in the same place."""
        task, self.task = self.task, None
        copied = super().deepcopy()
        self.task = copied.task = task
        return copied

    def forward(self, example: str) -> Any:
        """One evaluation: every predictor is asked, then the landscape judges the instructions."""
        for name in self.names:
            getattr(self, name)(example=example)
        texts = {name: getattr(self, name).signature.instructions for name in self.names}
        score, said = self.task.observe(int(example), texts)
        return dspy.Prediction(score=score, feedback=said)


class Watch:
    """Tells the counter which candidate would be returned: the first of the best validation averages."""

    def __init__(self, task: Task) -> None:
        self.task, self.best = task, -1.0

    def on_valset_evaluated(self, event: Any) -> None:
        """A candidate met the whole validation set."""
        if event["average_score"] > self.best:
            self.best = event["average_score"]
            self.task.look(event["candidate"])


def metric(gold: Any, pred: Any, trace: Any = None, pred_name: Any = None, pred_trace: Any = None) -> Any:
    """What the landscape said when the program ran; asking again is no evaluation."""
    return dspy.Prediction(score=pred.score, feedback=pred.feedback)


def gepa(task: Task, words: list[str], train: Any, validate: Any) -> None:
    """One run of ``dspy.GEPA``."""

    def proposer(candidate: dict[str, str], reflective_dataset: Any, components_to_update: list[str]) -> dict[str, str]:
        said = {name: [record["Feedback"] for record in reflective_dataset[name]] for name in components_to_update}
        return {name: task.rewrite(name, candidate[name], said[name]) for name in components_to_update}

    optimizer = dspy.GEPA(
        metric,
        max_metric_calls=task.budget,
        reflection_minibatch_size=next((int(word[2:]) for word in words if word.startswith("b=")), 3),
        candidate_selection_strategy="current_best" if "current_best" in words else "pareto",
        component_selector="all" if "all" in words else "round_robin",
        instruction_proposer=proposer,
        num_threads=task.slots,
        seed=task.seed,
        gepa_kwargs={"callbacks": [Watch(task)]},
    )
    optimizer.compile(Program(task, task.start), trainset=train, valset=validate)


def other(task: Task, words: list[str], train: Any, validate: Any) -> None:
    """MIPROv2 or SIMBA, for the time it takes; begun with half of the rules, so that they find demos."""
    program = Program(task, {"c0": " ".join(f"r{rule}" for rule in range(task.landscape.variant.rules // 2))})

    def score(gold: Any, pred: Any, trace: Any = None) -> float:
        return float(pred.score)

    proposals = Engine(task.proposer_seconds)
    prompt_model = dspy.LM("scripted-prompts", engine=proposals, cache=False)
    if words[0] == "MIPROv2":
        optimizer = dspy.MIPROv2(
            metric=score, prompt_model=prompt_model, auto="light", num_threads=task.slots, seed=task.seed, verbose=False
        )
        optimizer.compile(program, trainset=train, valset=validate)
    else:
        optimizer = dspy.SIMBA(metric=score, prompt_model=prompt_model, max_steps=STEPS, num_threads=task.slots)
        optimizer.compile(program, trainset=train, seed=task.seed)
    task.rewrites = proposals.calls


def run(task: Task) -> None:
    """One run under the setting's name."""
    words = task.setting.split()
    examples = [dspy.Example(example=str(number)).with_inputs("example") for number in range(task.landscape.test.start)]
    train, validate = examples[: len(task.landscape.train)], examples[len(task.landscape.train) :]
    adapter = Short() if words[0] == "GEPA" else None
    with dspy.context(lm=dspy.LM("scripted", engine=Engine(0.0), cache=False), adapter=adapter, disable_history=True, track_usage=False):
        (gepa if words[0] == "GEPA" else other)(task, words[1:] if words[0] == "GEPA" else words, train, validate)


class Waiting(dspy.Module):  # type: ignore[misc]
    """A program that only waits."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def forward(self, example: str) -> Any:
        """Wait."""
        time.sleep(self.seconds)
        return dspy.Prediction(answer="fine")


def evaluate(job: Job) -> dict[str, Any]:
    """``dspy.Evaluate`` on a bare module that waits (P5)."""
    examples = [dspy.Example(example=str(number)).with_inputs("example") for number in range(job["items"])]
    evaluator = dspy.Evaluate(devset=examples, metric=lambda *_: 1.0, num_threads=job["slots"], display_progress=False)
    return timed(lambda: evaluator(Waiting(job["task_seconds"])))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    serve(run, evaluate=evaluate)
