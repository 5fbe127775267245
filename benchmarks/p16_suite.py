"""P16: ten small tasks by optimizer and algorithm: held-out before → after, calls, and whether the gain is proven.

``python -m benchmarks.p16_suite [--task NAME ...] [--seeds 2]``. Who answers is named with every task: the embedded model, or
a script (simulated); proposals are written by a script that reads the prompt it is sent. Code is not among the tasks: it is
not trained before proposals can be run in a sandbox.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.suite.task import Task

OUT = Path(__file__).parent / "out" / "p16.json"
TASKS = ("prompts", "phrases", "demos", "numbers", "choices", "tables", "mixed", "agent", "retrieval", "nothing")


def task_of(name: str) -> Task:
    """A task by the name of its file."""
    found: Task = import_module(f"benchmarks.suite.{name}").TASK
    return found


def line(runs: Sequence[dict[str, Any]]) -> str:
    """What the seeds came to."""
    points = ", ".join(f"{100 * run['before']:.0f} → {100 * run['after']:.0f} %" for run in runs)
    proven = sum(run["significant"] for run in runs)
    return f"{points} · {mean(run['calls'] for run in runs):,.0f} calls · proven {proven} of {len(runs)}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", nargs="*", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--seeds", type=int, default=2)
    asked = parser.parse_args(arguments)
    started, kept = time.process_time(), {}
    print(f"P16 figures: held-out score before → after, one pair per seed ({asked.seeds}); mean calls; gains proven on held-out rows")
    for name in asked.task:
        task = task_of(name)
        for setting in task.settings:
            runs = [task.run(setting, seed) for seed in range(asked.seeds)]
            kept[f"{name}, {setting}"] = runs
            print(f"P16 {name} ({task.about}; {task.answers}), {setting}: {line(runs)}", flush=True)
    print("P16 code: not run; code is not trained before proposals can be run in a sandbox")
    print(f"P16 processor time: {time.process_time() - started:.0f} s for everything (target ≤ 120)")
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
