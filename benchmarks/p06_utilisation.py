"""P6: how busy 32 slots are during a whole search run (task 50 ms, proposer 200 ms), and the paid calls thrown away.

``python -m benchmarks.p06_utilisation [--algorithm NAME ...] [--calls N]``. Models and proposer are simulated, the waiting
is real. Busy time is that of the models themselves; utilisation is busy time ÷ (slots × wall time). Rows of peers are read
from ``benchmarks/peers/results`` (``python -m benchmarks.peers --what utilisation`` measures them again).
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.landscapes import Counter, Landscape
from benchmarks.landscapes.program import Program, ScriptedReflect, data, metric
from benchmarks.peers.settings import WAITING
from benchmarks.peers.stored import measured
from paragrad.llm.fake import Fake
from paragrad.optimizers.asking import ask_all
from paragrad.protocols.evidence import Ask, Candidate, Evidence
from paragrad.runs import fit

OUT = Path(__file__).parent / "out" / "p06.json"
SLOTS: int = WAITING["slots"]
TARGETS = {"pareto": "≥ 60 %", "minibatch": "≥ 90 %"}


class Asking(ScriptedReflect):
    """Asks a model for every rewrite, all at once, and takes the scripted one when it has answered."""

    def propose(self, evidence: Evidence, state: Any, *, n: int = 1, ask: Ask) -> tuple[list[Candidate], Any]:
        """``n`` rewrites, each after one call."""
        found, state = super().propose(evidence, state, n=n, ask=ask)
        ask_all([lambda: ask("Rewrite the component.") for _ in found])
        return found, state


class Slow(Fake):
    """A simulated model that takes its time, and knows how long it was busy."""

    def __init__(self, seconds: float, name: str) -> None:
        self.seconds = seconds
        super().__init__(self._late, name=name)

    def _late(self, request: Any) -> str:
        time.sleep(self.seconds)
        return str(request.messages[-1]["content"])

    @property
    def busy(self) -> float:
        """Seconds."""
        return self.calls * self.seconds


def search(algorithm: str, calls: int, home: str, seed: int = 0) -> dict[str, float]:
    """One run as ``fit`` runs it, recorded."""
    landscape = Landscape(WAITING["variant"], seed, WAITING["validation"])
    task, proposer = Slow(WAITING["task_seconds"], "task"), Slow(WAITING["proposer_seconds"], "proposer")
    started = time.perf_counter()
    result = fit(
        Program(landscape.start), data(landscape.train), data(landscape.validate), metric=metric(Counter(landscape)), model=task,
        optimizer=Asking(landscape), optimizer_model=proposer, algorithm=algorithm, budget=f"{calls} calls", seed=seed, workers=SLOTS,
        progress=False, home=home,
    )  # fmt: skip
    wall = time.perf_counter() - started
    paid = task.calls + proposer.calls
    return {
        "wall": wall, "calls": paid, "utilisation": (task.busy + proposer.busy) / (SLOTS * wall),
        "thrown_away": (paid - result.asked) / paid, "stopped": result.stopped,
    }  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--algorithm", nargs="*", default=list(TARGETS))
    parser.add_argument("--calls", type=int, default=WAITING["budget"])
    asked = parser.parse_args(arguments)
    figures: dict[str, Any] = {}
    for algorithm in asked.algorithm:
        with tempfile.TemporaryDirectory() as home:
            found = figures[algorithm] = search(algorithm, asked.calls, home)
        print(
            f"P6 {algorithm}, utilisation of {SLOTS} slots: {found['utilisation']:.1%} (target {TARGETS.get(algorithm, '–')}) over {found['calls']} calls"
        )
        print(f"P6 {algorithm}, paid calls thrown away: {found['thrown_away']:.1%} (target ≤ 10 %)")
        print(f"P6 {algorithm}, wall: {found['wall']:.2f} s; stopped: {found['stopped']}")
    peers = measured("utilisation")
    for peer, settings in peers.items():
        for setting, found in settings.items():
            print(f"P6 {peer}, {setting}: {found['utilisation']:.1%} over {found['calls']} calls in {found['wall']:.1f} s")
    if not peers:
        print("P6 peers: no stored results; sh benchmarks/peers/setup.sh, then python -m benchmarks.peers --what utilisation")
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
