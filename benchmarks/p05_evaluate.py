"""P5: evaluate 3,200 items of 50 ms at 32 and 64 workers: wall over ideal, and CPU per item bare and as fit runs it.

What ``fit`` adds is the processor time of a whole evaluation (program, model stack, metric, journal, cache,
ledger) less that of the program's own work on a plain thread pool. Each figure is the least of several
rounds: other work on the machine only adds.
"""

from __future__ import annotations

import json
import resource
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.peers.stored import measured
from paragrad.data import rows
from paragrad.executors import Threads
from paragrad.guides.binding import bind_metric
from paragrad.journal import RunJournal
from paragrad.llm import Budget, BudgetLedger, Request, stack
from paragrad.llm.fake import Fake
from paragrad.modules import Generator
from paragrad.optimizers import EditSearch
from paragrad.trainers.rows import place
from paragrad.trainers.session import Session

OUT = Path(__file__).parent / "out" / "p05.json"
ITEMS, SECONDS, WORKERS, ROUNDS = 3200, 0.05, (32, 64), 3


def right(output: Any, target: Any) -> bool:
    """Exactly right."""
    return bool(output == target)


def cpu() -> float:
    """Seconds of processor time of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def answering(seconds: float) -> Fake:
    """A wire that takes its time."""
    return Fake(lambda request: (time.sleep(seconds), f"a{request.messages[-1]['content'][1:]}")[1])


def bare(workers: int, items: int, seconds: float) -> tuple[float, float]:
    """Wall and CPU seconds of the executor alone: a function that waits."""
    started, used = time.perf_counter(), cpu()
    with Threads(workers) as threads:
        count = sum(outcome.ok for _, outcome in threads.map(lambda _: time.sleep(seconds), range(items), lookahead=items))
    assert count == items
    return time.perf_counter() - started, cpu() - used


def by_hand(workers: int, items: int, seconds: float) -> tuple[float, float]:
    """Wall and CPU seconds of the same questions, answers and scores on a plain thread pool."""
    wire = answering(seconds)

    def one(number: int) -> bool:
        (answer,) = wire.complete([Request([{"role": "system", "content": "Answer."}, {"role": "user", "content": f"q{number}"}])])
        return right(answer.text, f"a{number}")  # type: ignore[union-attr]

    started, used = time.perf_counter(), cpu()
    with ThreadPoolExecutor(workers) as pool:
        assert sum(pool.map(one, range(items))) == items
    return time.perf_counter() - started, cpu() - used


def as_fit(workers: int, items: int, seconds: float) -> tuple[float, float]:
    """Wall and CPU seconds of a trainer's evaluation: program, model stack, metric, journal, cache, ledger."""
    with tempfile.TemporaryDirectory() as folder:
        return evaluated(workers, items, seconds, folder)


def evaluated(workers: int, items: int, seconds: float, folder: str) -> tuple[float, float]:
    """The same with its files in ``folder``."""
    wire = answering(seconds)
    wire.cacheable = True
    model = stack(wire, cache=f"{folder}/cache.sqlite", concurrency=workers)
    program: Any = Generator("Answer.", inputs=["question"])
    data = rows([(f"q{i}", f"a{i}") for i in range(items)]).bind(["question"])
    (placed,) = place(data)
    parameters = {p.id: p for p in program.parameters()}
    with RunJournal(f"{folder}/journal.db", {"benchmark": "p05"}) as journal:
        session = Session(
            program, parameters, bind_metric(right), EditSearch(), workers=workers, model=model, journal=journal,
            ledger=BudgetLedger(Budget(calls=2 * items)),
        )  # fmt: skip
        with session.open():
            started, used = time.perf_counter(), cpu()
            found = session.evaluate(session.values(), placed, step=0)
            wall, busy = time.perf_counter() - started, cpu() - used
    assert found.score == 1.0
    return wall, busy


def least(measure: Any, workers: int) -> tuple[float, float]:
    """Wall over ideal and CPU milliseconds per item, the least of the rounds."""
    found = [measure(workers, ITEMS, SECONDS) for _ in range(ROUNDS)]
    ideal = ITEMS * SECONDS / workers
    return min(wall for wall, _ in found) / ideal, min(busy for _, busy in found) / ITEMS * 1e3


def main() -> None:
    """Measure, print, write JSON."""
    bare(32, 200, 0.001)
    as_fit(32, 200, 0.001)
    figures: dict[str, float] = {}
    for workers in WORKERS:
        wall, own = least(bare, workers)
        _, hand = least(by_hand, workers)
        fit_wall, fit = least(as_fit, workers)
        print(f"{workers} workers, bare, wall ÷ ideal: {wall:.3f} (target ≤ 1.02; peers AdalFlow 1.01, dspy 1.03 to 1.13)")
        print(f"{workers} workers, bare, CPU per item in ms: {own:.3f} (target ≤ 0.15; peer AdalFlow 0.14)")
        print(f"{workers} workers, as fit runs it, wall ÷ ideal: {fit_wall:.3f} (target ≤ 1.02)")
        print(f"{workers} workers, as fit runs it, CPU per item in ms: {fit:.3f}")
        print(f"{workers} workers, the same work by hand, CPU per item in ms: {hand:.3f}")
        print(f"{workers} workers, CPU per item that fit adds, in ms: {fit - hand:.3f} (target ≤ 0.4)")
        figures |= {
            f"bare_wall_{workers}": wall, f"bare_cpu_ms_{workers}": own, f"by_hand_cpu_ms_{workers}": hand,
            f"fit_wall_{workers}": fit_wall, f"fit_cpu_ms_{workers}": fit, f"fit_adds_cpu_ms_{workers}": fit - hand,
        }  # fmt: skip
    for peer, found in measured("evaluation").items():
        print(f"peer {peer}: wall ÷ ideal {found['wall']:.3f}, CPU per item {found['cpu_ms']:.3f} ms")
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
