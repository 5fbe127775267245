"""P7: search efficiency: metric calls until the texts that would be returned have a true score of 0.85, beside the peers.

``python -m benchmarks.p07_search [--algorithm NAME ...] [--landscape NAME ...] [--seeds 10] [--validation V]``. Every
system has the same examples and the same scripted proposer (simulated; see ``benchmarks/landscapes``). Rows of peers are
read from ``benchmarks/peers/results``; ``benchmarks/peers/setup.sh`` and ``python -m benchmarks.peers`` measure them again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks.landscapes import COLUMNS, Column, Counter, Landscape
from benchmarks.landscapes.counter import BUDGET
from benchmarks.landscapes.figures import best, figures, shown
from benchmarks.peers.settings import PEERS
from benchmarks.peers.stored import stored

OUT = Path(__file__).parent / "out" / "p07.json"
DEFAULT = "pareto"
RATIOS, GOAL = {"hard": 0.6, "hard4": 0.6, "noise": 0.6}, 0.3  # of the calls of GEPA's best setting
LEVEL = {"trap", "overfit"}  # at least as good as every peer


def one(
    algorithm: str, variant: str, validation: int, seed: int, budget: int = BUDGET, options: dict[str, Any] | None = None
) -> dict[str, Any]:
    """One run of ours: the counter's summary. ``options``: class attributes of the trainer to replace."""
    import paragrad as pg
    from benchmarks.landscapes.program import Program, ScriptedReflect, data, metric, model
    from paragrad.runs.fitting import algorithm_of

    landscape = Landscape(variant, seed, validation)
    counter = Counter(landscape, budget)

    class Watched(algorithm_of(algorithm)):  # type: ignore[misc]
        """Tells the counter after every step which texts it would return."""

        def _saved(self, session: Any, state: Any, *rest: Any) -> Any:
            counter.look([state.best[name] for name in landscape.components])
            return super()._saved(session, state, *rest)

    for name, value in (options or {}).items():
        setattr(Watched, name, value)
    started = time.perf_counter()
    result = pg.fit(
        Program(landscape.start), data(landscape.train), data(landscape.validate), metric=metric(counter), model=model(),
        optimizer=ScriptedReflect(landscape), algorithm=Watched, budget=f"{budget} calls", seed=seed, workers=1, progress=False, journal=False,
    )  # fmt: skip
    counter.look([result.best.values[name] for name in landscape.components])
    return {
        "seed": seed,
        **counter.summary(),
        "reported": result.score,
        "stopped": result.stopped,
        "seconds": round(time.perf_counter() - started, 2),
    }


def column(algorithm: str, found: Column, seeds: int, validation: int | None, pool: ProcessPoolExecutor) -> list[dict[str, Any]]:
    """All seeds of one column."""
    size = validation or found.validation
    jobs = [pool.submit(one, algorithm, found.variant, size, seed) for seed in range(seeds)]
    return [job.result() for job in jobs]


Kept = Mapping[str, Mapping[str, Any]]


def settings_of(kept: Kept, peer: str, name: str, seeds: int, ungated: bool = False) -> dict[str, dict[str, Any]]:
    """A peer's figures on a column by setting, over the seeds that were asked for as far as they are stored."""
    searched = kept.get(peer, {}).get("search", {}).get(name, {})
    loose = PEERS[peer].ungated if peer in PEERS else ()
    return {setting: figures(one["runs"][:seeds]) for setting, one in searched.items() if (setting.split()[0] in loose) == ungated}


def target(name: str, kept: Kept, seeds: int) -> str:
    """What a column's figure has to reach, from the peers' figures."""
    rivals = settings_of(kept, "gepa", name, seeds)
    calls = rivals[best(rivals)]["median"] if rivals else None
    if name in RATIOS and calls is not None:
        return f"target ≤ {RATIOS[name] * calls:,.0f}, {RATIOS[name]}× of GEPA's best setting; goal {GOAL * calls:,.0f}"
    return "target: at least as good as every peer that validates" if name in LEVEL else "no target"


def peers_line(name: str, kept: Kept, seeds: int) -> str:
    """The best setting of every peer on a column; † marks those without a gate."""
    parts = []
    for peer, (ungated, mark) in product(kept, ((False, ""), (True, "†"))):
        found = settings_of(kept, peer, name, seeds, ungated)
        if found:
            setting = best(found)
            parts.append(f"{peer} {setting}{mark} {shown(found[setting])}")
    return "; ".join(parts)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--algorithm", nargs="*", default=[DEFAULT])
    parser.add_argument("--landscape", nargs="*", default=list(COLUMNS), choices=list(COLUMNS))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--validation", type=int, default=None)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--runs", action="store_true", help="show every run")
    asked = parser.parse_args(arguments)
    found: dict[str, Any] = {}
    kept = stored()
    print("P7 figures: successes · median metric calls to a true score of 0.85 (budget 3,000) · median true score at the end; simulated")
    with ProcessPoolExecutor(asked.processes) as pool:
        for name, algorithm in product(asked.landscape, asked.algorithm):
            runs = column(algorithm, COLUMNS[name], asked.seeds, asked.validation, pool)
            found.setdefault(name, {})[algorithm] = {**figures(runs), "runs": runs}
            print(f"P7 {COLUMNS[name]}, {algorithm}: {shown(found[name][algorithm])} ({target(name, kept, asked.seeds)})", flush=True)
            for run in runs if asked.runs else ():
                print("   ", {key: run[key] for key in ("seed", "hit", "final", "calls", "reported", "stopped", "seconds")})
            if kept and algorithm == asked.algorithm[-1]:
                print(f"P7 {COLUMNS[name]}, peers: {peers_line(name, kept, asked.seeds)}")
    _about(kept)
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _about(kept: Kept) -> None:
    """Where the peers' figures come from, and what could not be compared."""
    if not kept:
        print("P7 peers: no stored results; sh benchmarks/peers/setup.sh, then python -m benchmarks.peers")
    for peer, one_ in kept.items():
        print(f"P7 {peer} {one_['version']}: measured {one_['date']} on {one_['machine']}; {one_['note']}")
        for what, why in one_.get("not_comparable", {}).items():
            print(f"P7 {peer} {what}: not comparable, because {why}")
    if any(PEERS[peer].ungated for peer in kept if peer in PEERS):
        print(
            "P7 †: takes every step, and counts as soon as its current text is good; it has no validated score and does not know when to stop"
        )


if __name__ == "__main__":
    main()
