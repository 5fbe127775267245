"""BootstrapFewShot: worked examples from a teacher's own runs, chosen by score alone.

Bootstrapped demos are what the teacher did on rows it got right, drawn with weight teacher score −
student score; raw demos are rows as they are in the data, drawn with weight 1 − student score.
Every component learns from its own calls, also when it is called several times in a row's run.
Needs no gradient, no critic and no optimizer model. (Khattab et al., "DSPy", 2023; weights: the
text-parameter document.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from random import Random
from typing import Any

from paragrad.optimizers.base import Transform
from paragrad.protocols.data import Demo
from paragrad.protocols.evidence import Ask, Candidate, Evidence, ItemEvidence, ParameterEvidence
from paragrad.spaces.plain import plain

SMOOTHING = 0.05  # a teacher no better than its student still teaches, a little
MOST_CALLS = 4  # calls of one component that are kept of a run; a loop may make many


class BootstrapFewShot(Transform):
    """Fills Demos Parameters.

    Args:
        parameters: Parameters to bind to, or None.
        teacher: who shows how it is done: a model that answers in place of the run's, another program, or values by
            Parameter id (a Candidate's ``values``). The trainer runs it on the rows that the student did not get right.
            None: the student teaches, by what it got right and by every better candidate.
        raw_shots: how many of the demos are rows from the data instead of teacher runs; only where a component's output
            is the program's.
        threshold: least score of a teacher run that may become a demo.
        per_step: most candidates at once; demos are redrawn whenever there is new evidence.
    """

    kinds = frozenset({"demos"})
    needs = frozenset({"episodes", "teacher"})

    def __init__(
        self,
        parameters: Any = None,
        *,
        teacher: Any = None,
        raw_shots: int = 0,
        threshold: float = 0.5,
        per_step: int = 2,
        model: Any = None,
    ) -> None:
        super().__init__(parameters, model=model)
        self.teacher = teacher
        self.raw_shots = raw_shots
        self.threshold = threshold
        self.per_step: int = per_step

    def init(self, parameters: Sequence[Any]) -> dict[str, Any]:
        """Evidence kept over steps: what teachers did per row, and how students fared."""
        return {"runs": {}, "student": {}}

    def propose(self, evidence: Evidence, state: Any, *, n: int = 1, ask: Ask) -> tuple[list[Candidate], Any]:
        """Different draws and different numbers of demos, for every Demos Parameter at once."""
        state = _with_evidence(state, evidence)
        candidates: list[Candidate] = []
        demos = [p for p in evidence.parameters.values() if p.trainable and p.kind == "demos"]
        n = min(n, self.per_step)
        for attempt in range(n * 3):
            changes = {p.id: self._draw(p, state, evidence, attempt) for p in demos}
            changes = {id: chosen for id, chosen in changes.items() if chosen}
            if not changes or any(c.values[id] == chosen for c in candidates for id, chosen in changes.items()):
                continue
            sizes = ", ".join(f"{_short(id)} {len(evidence.parameters[id].value or ())} → {len(chosen)}" for id, chosen in changes.items())
            candidates.append(evidence.candidate(changes, origin=sizes))
            if len(candidates) == n:
                break
        return candidates, state

    def observe(self, state: Any, candidate: Candidate, evaluation: Any) -> Any:
        """Rows that any candidate got right are examples too: a better candidate is the next student's teacher."""
        runs = {component: dict(rows) for component, rows in state["runs"].items()}
        for item in evaluation.items:
            _add_run(runs, item)
        return {**state, "runs": runs}

    def _draw(self, parameter: ParameterEvidence, state: Any, evidence: Evidence, attempt: int) -> tuple[Demo, ...]:
        most = int(parameter.space.spec()["max_shots"])
        shots = most if attempt % 2 == 0 else max(1, most - 1 - (attempt // 2) % most)
        component = parameter.id.removesuffix(".demos")
        runs = _of_component(state["runs"], component)
        student = state["student"]
        taught = [(row, run) for row, run in sorted(runs.items()) if run["score"] >= self.threshold]
        weights = [max(0.0, run["score"] - student.get(row, 0.0)) + SMOOTHING for row, run in taught]
        whole = any(run["last"] and run["target"] is not None for run in runs.values())
        raw = min(self.raw_shots, shots) if whole else 0
        chosen = _weighted(taught, weights, shots - raw, evidence.random)
        known = {row for row, _ in chosen}
        rest = [(row, run) for row, run in sorted(runs.items()) if row not in known and run["target"] is not None and run["last"]]
        raws = _weighted(rest, [1.0 - student.get(row, 0.0) + 1e-6 for row, _ in rest], raw, evidence.random)
        calls = [run["calls"][0] if len(run["calls"]) == 1 else evidence.random.choice(run["calls"]) for _, run in chosen]
        picked = [Demo(inputs, output) for inputs, output in calls]
        return (*picked, *(Demo(run["calls"][-1][0], run["target"]) for _, run in raws))


def _with_evidence(state: Any, evidence: Evidence) -> Any:
    """State with this step's runs added; a better run of a row replaces a worse one."""
    runs = {component: dict(rows) for component, rows in state["runs"].items()}
    student = dict(state["student"])
    for item in evidence.items:
        if item.score is not None and item.status == "ok":
            student[str(item.item)] = item.score
    for item in evidence.teacher or evidence.items:
        _add_run(runs, item)
    return {"runs": runs, "student": student}


def _add_run(runs: dict[str, dict[str, Any]], item: ItemEvidence) -> None:
    """What every component did in a row's run, unless a run at least as good is known."""
    if item.status != "ok" or item.score is None:
        return
    row = str(item.item)
    for episode in item.episodes:
        made: dict[str, Any] = {}
        for step in episode.steps:
            with suppress(TypeError, ValueError):  # what no file can hold is no example
                found = plain({"inputs": dict(step.input_args), "output": step.output, "target": item.target}, step.component, models=True)
                run = made.setdefault(step.component, {"calls": [], "target": found["target"], "score": item.score, "last": False})
                run["calls"] = [*run["calls"], [found["inputs"], found["output"]]][-MOST_CALLS:]
                run["last"] = step is episode.steps[-1] or _same(found["output"], episode.output)
        for component, run in made.items():
            known = runs.setdefault(component, {}).get(row)
            if known is None or item.score > known["score"]:
                runs[component][row] = run


def _same(output: Any, whole: Any) -> bool:
    """Whether a component's output is the program's."""
    try:
        return bool(output == plain(whole, models=True))
    except (TypeError, ValueError):
        return False


def _of_component(runs: dict[str, dict[str, Any]], component: str) -> dict[str, Any]:
    """Runs of the component a Demos Parameter belongs to; of the only component when names do not meet."""
    if component in runs:
        return runs[component]
    return next(iter(runs.values())) if len(runs) == 1 else {}


def _weighted(items: Sequence[Any], weights: Sequence[float], count: int, random: Random) -> list[Any]:
    """``count`` items without replacement, by weight (Efraimidis and Spirakis, 2006)."""
    keyed = [(math.log(random.random() or 5e-324) / weight, i) for i, weight in enumerate(weights)]
    best = sorted(keyed, reverse=True)[:count]
    return [items[i] for _, i in sorted(best, key=lambda pair: pair[0], reverse=True)]


def _short(id: str) -> str:
    return id.rpartition(".")[2]
