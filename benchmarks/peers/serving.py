"""Inside a peer's environment: jobs come in as JSON lines, results go out as JSON lines."""

from __future__ import annotations

import contextlib
import json
import os
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.landscapes import Counter, Landscape, blamed, rewrite

Job = Mapping[str, Any]


class Task:
    """One run of a peer: the landscape, the counter and the scripted proposer with its own stream of random numbers.

    A job names ``variant``, ``validation``, ``seed``, ``budget`` and the peer's ``setting``; with ``slots``, ``task_seconds``
    and ``proposer_seconds`` every evaluation and every rewrite takes that long, and the slots' use is measured.
    """

    def __init__(self, job: Job) -> None:
        self.seed = int(job["seed"])
        self.setting: str = job["setting"]
        self.landscape = Landscape(job["variant"], self.seed, job["validation"])
        self.counter = Counter(self.landscape, job["budget"])
        self.budget = int(job["budget"])
        self.components = self.landscape.components
        self.slots = int(job.get("slots", 1))
        self.task_seconds, self.proposer_seconds = float(job.get("task_seconds", 0)), float(job.get("proposer_seconds", 0))
        self.rewrites = 0
        self._rng = random.Random(f"proposer {self.seed}")

    @property
    def start(self) -> dict[str, str]:
        """Component to text."""
        return dict(zip(self.components, self.landscape.start, strict=True))

    def observe(self, example: int, texts: Mapping[str, str]) -> tuple[float, str]:
        """One evaluation: score and feedback."""
        if self.task_seconds:
            time.sleep(self.task_seconds)
        return self.counter.observe(example, [texts[name] for name in self.components])

    def observe_all(self, examples: Sequence[int], texts: Mapping[str, str], slots: int | None = None) -> list[tuple[float, str]]:
        """Several, in as many threads as there are slots; in their order."""
        slots = self.slots if slots is None else slots
        if slots == 1:
            return [self.observe(example, texts) for example in examples]
        with ThreadPoolExecutor(slots) as threads:
            return list(threads.map(lambda example: self.observe(example, texts), examples))

    def look(self, texts: Mapping[str, str]) -> None:
        """The texts that the peer would return now."""
        self.counter.look([texts[name] for name in self.components])

    def rewrite(self, component: str, text: str, feedback: list[str]) -> str:
        """The scripted proposer on one component."""
        if self.proposer_seconds:
            time.sleep(self.proposer_seconds)
        self.rewrites += 1
        return rewrite(self.landscape.variant, component, text, feedback, self._rng)

    def blamed(self, feedback: list[str]) -> list[str]:
        """The components that the feedback names; when it names none, one of all."""
        return list(blamed(feedback, self.components)) or [self._rng.choice(self.components)]

    def summary(self, wall: float) -> dict[str, Any]:
        """What is told of the run."""
        found = {"seed": self.seed, **self.counter.summary()}
        if not self.task_seconds:
            return found
        busy = self.counter.calls * self.task_seconds + self.rewrites * self.proposer_seconds
        return {**found, "wall": wall, "utilisation": busy / (self.slots * wall), "rewrites": self.rewrites}


def serve(run: Callable[[Task], None], **others: Callable[[Job], dict[str, Any]]) -> None:
    """Run every job on stdin; whatever the peer prints is dropped.

    Args:
        run: one search. ``others``: what answers jobs that name another ``what``.
    """
    out = os.fdopen(os.dup(1), "w")
    silent = open(os.devnull, "w")  # noqa: SIM115 - kept open as long as the process lives
    os.dup2(silent.fileno(), 1)
    for line in sys.stdin:
        with contextlib.redirect_stdout(silent):
            job = json.loads(line)
            found = others[job["what"]](job) if "what" in job else _one(run, job)
        out.write(json.dumps(found) + "\n")
        out.flush()


def timed(function: Callable[[], Any]) -> dict[str, float]:
    """Wall and processor seconds of a call."""
    started, used = time.perf_counter(), time.process_time()
    function()
    return {"wall": time.perf_counter() - started, "cpu": time.process_time() - used}


def _one(run: Callable[[Task], None], job: Job) -> dict[str, Any]:
    task = Task(job)
    started = time.perf_counter()
    try:
        run(task)
    except Exception as error:  # noqa: BLE001 - a peer that breaks is a result, told as what it is
        return {**task.summary(time.perf_counter() - started), "error": f"{type(error).__name__}: {error}"[:500]}
    wall = time.perf_counter() - started
    return {**task.summary(wall), "seconds": round(wall, 1)}
