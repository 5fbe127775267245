"""P5: evaluate 3,200 items of 50 ms at 32 workers: wall over ideal, and CPU per item bare and as fit runs it."""

from __future__ import annotations

import json
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.peers.stored import measured
from paragrad.data import rows
from paragrad.executors import Threads
from paragrad.guides.binding import bind_metric
from paragrad.journal import RunJournal
from paragrad.llm import Budget, BudgetLedger, stack
from paragrad.llm.fake import Fake
from paragrad.modules import Generator
from paragrad.optimizers import EditSearch
from paragrad.trainers.rows import place
from paragrad.trainers.session import Session

OUT = Path(__file__).parent / "out" / "p05.json"
ITEMS, SECONDS, WORKERS = 3200, 0.05, 32


def right(output: Any, target: Any) -> bool:
    """Exactly right."""
    return bool(output == target)


def cpu() -> float:
    """Seconds of processor time of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def bare(items: int, seconds: float) -> tuple[float, float]:
    """Wall and CPU seconds of the executor alone: a function that waits."""
    started, used = time.perf_counter(), cpu()
    with Threads(WORKERS) as threads:
        count = sum(outcome.ok for _, outcome in threads.map(lambda _: time.sleep(seconds), range(items), lookahead=items))
    assert count == items
    return time.perf_counter() - started, cpu() - used


def as_fit(items: int, seconds: float, folder: str) -> tuple[float, float]:
    """Wall and CPU seconds of a trainer's evaluation: program, model stack, metric, journal, cache, ledger."""
    wire = Fake(lambda request: (time.sleep(seconds), f"a{request.messages[-1]['content'][1:]}")[1])
    wire.cacheable = True
    model = stack(wire, cache=f"{folder}/cache.sqlite", concurrency=WORKERS)
    program: Any = Generator("Answer.", inputs=["question"])
    data = rows([(f"q{i}", f"a{i}") for i in range(items)]).bind(["question"])
    (placed,) = place(data)
    parameters = {p.id: p for p in program.parameters()}
    with RunJournal(f"{folder}/journal.db", {"benchmark": "p05"}) as journal:
        session = Session(
            program, parameters, bind_metric(right), EditSearch(), workers=WORKERS, model=model, journal=journal,
            ledger=BudgetLedger(Budget(calls=2 * items)),
        )  # fmt: skip
        with session.open():
            started, used = time.perf_counter(), cpu()
            found = session.evaluate(session.values(), placed, step=0)
            wall, busy = time.perf_counter() - started, cpu() - used
    assert found.score == 1.0
    return wall, busy


def main() -> None:
    """Measure, print, write JSON."""
    ideal = ITEMS * SECONDS / WORKERS
    bare(200, 0.001)
    wall, busy = bare(ITEMS, SECONDS)
    with tempfile.TemporaryDirectory() as folder:
        as_fit(200, 0.001, folder)
    with tempfile.TemporaryDirectory() as folder:
        full_wall, full_busy = as_fit(ITEMS, SECONDS, folder)
    figures = {
        "bare_wall": wall / ideal, "bare_cpu_ms": busy / ITEMS * 1e3, "fit_wall": full_wall / ideal, "fit_cpu_ms": full_busy / ITEMS * 1e3,
    }  # fmt: skip
    print(f"bare, wall ÷ ideal: {figures['bare_wall']:.3f} (target ≤ 1.02; peers AdalFlow 1.01, dspy 1.03 to 1.13)")
    print(f"bare, CPU per item in ms: {figures['bare_cpu_ms']:.3f} (target ≤ 0.15; peer AdalFlow 0.14)")
    print(f"as fit runs it, wall ÷ ideal: {figures['fit_wall']:.3f} (target ≤ 1.02)")
    print(f"as fit runs it, CPU per item in ms: {figures['fit_cpu_ms']:.3f} (target ≤ 0.4)")
    for peer, found in measured("evaluation").items():
        print(f"peer {peer}: wall ÷ ideal {found['wall']:.3f}, CPU per item {found['cpu_ms']:.3f} ms")
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
