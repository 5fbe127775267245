"""GEPA on the landscapes, with the scripted proposer as the adapter's ``propose_new_texts``.

Settings: ``[SELECTION] b=N [COMPONENTS] [merge] [serial] [parents=N]``: selection pareto or current_best, minibatch size,
components round_robin, all, most_blamed or all_blamed (the last two by a component selector that reads the feedback),
serial for an adapter without threads, several proposals per iteration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gepa
from gepa.core.adapter import EvaluationBatch
from gepa.strategies.proposal_sampling import IndependentSampling

from benchmarks.landscapes import blamed
from benchmarks.peers.serving import Task, serve


class Adapter:
    """The landscape as GEPA sees it; examples are their numbers."""

    def __init__(self, task: Task) -> None:
        self.task = task

    def evaluate(self, batch: Sequence[int], candidate: dict[str, str], capture_traces: bool = False) -> Any:
        """Scores, and the feedback as trajectories."""
        found = self.task.observe_all(batch, candidate, 1 if "serial" in self.task.setting else None)
        said = [feedback for _, feedback in found]
        return EvaluationBatch(outputs=said, scores=[score for score, _ in found], trajectories=said if capture_traces else None)

    def make_reflective_dataset(self, candidate: Any, eval_batch: Any, components_to_update: list[str]) -> Mapping[str, Any]:
        """Every component sees all the feedback."""
        return {name: [{"Feedback": said} for said in eval_batch.trajectories] for name in components_to_update}

    def propose_new_texts(self, candidate: dict[str, str], dataset: Mapping[str, Any], components: list[str]) -> dict[str, str]:
        """The scripted proposer on every component asked for."""
        return {name: self.task.rewrite(name, candidate[name], [record["Feedback"] for record in dataset[name]]) for name in components}


class Watch:
    """Tells the counter which candidate GEPA would return: the first of the best validation averages."""

    def __init__(self, task: Task) -> None:
        self.task, self.best = task, -1.0

    def on_valset_evaluated(self, event: Any) -> None:
        """A candidate met the whole validation set."""
        if event["average_score"] > self.best:
            self.best = event["average_score"]
            self.task.look(event["candidate"])


class Quiet:
    """A logger that says nothing."""

    def log(self, *_: Any) -> None:
        """Nothing."""


def selector(task: Task, which: str) -> Any:
    """How components are chosen."""
    if which in ("round_robin", "all"):
        return which

    def choose(state: Any, trajectories: list[str], *_: Any, **__: Any) -> list[str]:
        named = task.blamed(trajectories)
        if which == "most_blamed":
            counts = blamed(trajectories, task.components)
            return [max(named, key=lambda name: counts.get(name, 0))]
        return named

    return choose


def run(task: Task) -> None:
    """One run of ``gepa.optimize``."""
    words = task.setting.split()
    size = next((int(word[2:]) for word in words if word.startswith("b=")), 3)
    components = next((word for word in words if word in ("all", "most_blamed", "all_blamed")), "round_robin")
    parents = next((int(word[8:]) for word in words if word.startswith("parents=")), 1)
    gepa.optimize(
        task.start,
        list(task.landscape.train),
        list(task.landscape.validate),
        adapter=Adapter(task),
        candidate_selection_strategy="current_best" if "current_best" in words else "pareto",
        reflection_minibatch_size=size,
        module_selector=selector(task, components),
        use_merge="merge" in words,
        sampling_strategy=IndependentSampling(parents) if parents > 1 else None,
        max_metric_calls=task.budget,
        logger=Quiet(),
        callbacks=[Watch(task)],
        seed=task.seed,
    )


if __name__ == "__main__":
    serve(run)
