"""Measure the peers on the landscapes: ``python -m benchmarks.peers [gepa ...] [--what search utilisation evaluation step]``.

Needs their environments (``benchmarks/peers/setup.sh``); writes ``benchmarks/peers/results/<peer>.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from benchmarks.landscapes import COLUMNS, VARIANTS, Column
from benchmarks.landscapes.counter import BUDGET
from benchmarks.landscapes.figures import figures, shown
from benchmarks.peers.settings import EVALUATION, HERE, PEERS, RESULTS, STEP, WAITING, Peer

ROOT = HERE.parents[1]
PARTS = ["search", "utilisation", "evaluation", "step"]


def answers(peer: Peer, jobs: Sequence[dict[str, Any]], processes: int) -> list[dict[str, Any]]:
    """Results of jobs in their order, from several processes in the peer's environment."""
    parts = [jobs[first::processes] for first in range(processes)]
    with ThreadPoolExecutor(processes) as threads:
        found = list(threads.map(lambda part: list(_process(peer, part)), parts))
    return [found[place % processes][place // processes] for place in range(len(jobs))]


def _process(peer: Peer, jobs: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    if not jobs:
        return
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    said = "".join(json.dumps(job) + "\n" for job in jobs)
    command = [str(peer.python), "-m", peer.runner]
    with tempfile.TemporaryDirectory() as folder:  # some write where they stand
        run = subprocess.run(command, input=said, capture_output=True, text=True, cwd=folder, env=environment, check=False)
    lines = [line for line in run.stdout.splitlines() if line.startswith("{")]  # some print when they are imported
    if len(lines) != len(jobs):
        raise SystemExit(f"{peer.package}: {len(lines)} of {len(jobs)} jobs answered\n{run.stderr[-3000:]}")
    yield from map(json.loads, lines)


def searched(peer: Peer, column: Column, seeds: int, processes: int) -> dict[str, Any]:
    """Every setting of a peer on one column (P7)."""
    settings = peer.tried(VARIANTS[column.variant].components)
    jobs = [
        {"variant": column.variant, "validation": column.validation, "seed": seed, "budget": BUDGET, "setting": setting}
        for setting in settings
        for seed in range(seeds)
    ]
    runs = answers(peer, jobs, processes)
    found = {}
    for place, setting in enumerate(settings):
        part = [{key: value for key, value in run.items() if key != "texts"} for run in runs[place * seeds : (place + 1) * seeds]]
        found[setting] = {**figures(part), "runs": part}
        print(f"{column}, {peer.package} {setting}: {shown(found[setting])}{_errors(part)}", flush=True)
    return found


def waited(peer: Peer) -> dict[str, Any]:
    """How busy the slots are under every setting that is measured for it (P6)."""
    found = {}
    for setting in peer.waiting:
        (run,) = answers(peer, [{**WAITING, "seed": 0, "setting": setting}], 1)
        found[setting] = {key: value for key, value in run.items() if key not in ("texts", "hit", "final")}
        print(f"utilisation, {peer.package} {setting}: {run['utilisation']:.1%} in {run['wall']:.1f} s{_errors([run])}", flush=True)
    return found


def evaluated(peer: Peer) -> dict[str, Any]:
    """Its evaluation of many items that wait (P5)."""
    (run,) = answers(peer, [{"what": "evaluate", **EVALUATION}], 1)
    ideal = EVALUATION["items"] * EVALUATION["task_seconds"] / EVALUATION["slots"]
    found = {"wall": run["wall"] / ideal, "cpu_ms": run["cpu"] / EVALUATION["items"] * 1e3}
    print(f"evaluation, {peer.package}: wall ÷ ideal {found['wall']:.3f}, CPU per item {found['cpu_ms']:.3f} ms", flush=True)
    return found


def stepped(peer: Peer) -> dict[str, Any]:
    """Its training step (P4): wall ÷ critical path, and the critic's calls."""
    all_wrong, few = answers(peer, [{"what": "step", **STEP, "wrong": wrong} for wrong in (STEP["items"], 2)], 1)
    path = 2 * STEP["task_seconds"]
    found = {"forward": all_wrong["forward"] / path, "backward": all_wrong["backward"] / path}
    found |= {"calls": all_wrong["calls"], "calls_two_wrong": few["calls"]}
    print(f"step, {peer.package}: {found}", flush=True)
    return found


def _errors(runs: Sequence[dict[str, Any]]) -> str:
    failed = [run["error"] for run in runs if "error" in run]
    return f"   {len(failed)} failed: {failed[0]}" if failed else ""


def about(peer: Peer) -> dict[str, Any]:
    """Version, machine, date."""
    asked = "import importlib.metadata as m, platform, sys; print(m.version(sys.argv[1]), platform.python_version())"
    run = subprocess.run([str(peer.python), "-c", asked, peer.package], capture_output=True, text=True, check=True)
    version, python = run.stdout.split()
    return {
        "peer": peer.package, "version": version, "note": peer.note, "not_comparable": dict(peer.not_comparable),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {python}",
        "date": f"{datetime.now(UTC):%Y-%m-%d}", "command": " ".join(["python -m benchmarks.peers", *sys.argv[1:]]),
    }  # fmt: skip


def measure(peer: Peer, what: Sequence[str], landscapes: Sequence[str], seeds: int, processes: int) -> None:
    """Measure one peer, and store what was found as soon as it is there."""
    kept = json.loads(peer.results.read_text(encoding="utf-8")) if peer.results.exists() else {}

    def keep(**parts: Any) -> None:
        kept.update({**about(peer), **parts})
        peer.results.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")

    if "search" in what:
        search = dict(kept.get("search", {}))
        for name in landscapes if peer.settings else ():
            search[name] = searched(peer, COLUMNS[name], seeds, processes)
            keep(search=search)
    if "utilisation" in what and peer.waiting:
        keep(utilisation=waited(peer))
    if "evaluation" in what and peer.evaluates:
        keep(evaluation=evaluated(peer))
    if "step" in what and peer.steps:
        keep(step=stepped(peer))
    keep()


def main() -> None:
    """Measure, print, store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peers", nargs="*", default=list(PEERS))
    parser.add_argument("--what", nargs="*", default=PARTS, choices=PARTS)
    parser.add_argument("--landscape", nargs="*", default=list(COLUMNS), choices=list(COLUMNS))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    for peer in (PEERS[name] for name in asked.peers):
        if peer.python.exists():
            measure(peer, asked.what, asked.landscape, asked.seeds, asked.processes)
        else:
            print(f"{peer.package} is not installed: sh benchmarks/peers/setup.sh {peer.package}")


if __name__ == "__main__":
    main()
