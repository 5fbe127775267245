"""R5: the same seed and backend give the same bytes at any number of workers; R11: a long run leaves nothing behind."""

from __future__ import annotations

import gc
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from paragrad.llm import stack
from paragrad.llm.layer import current_call
from paragrad.trace.nodes import Node
from tests.faults.trainee import Logged, reply, trainer


class Asked(Logged):
    """Keeps what was asked at every coordinate."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.prompts: dict[str, Any] = {}

    def complete(self, requests: list[Any], /) -> list[Any]:
        call = current_call()
        assert call is not None
        self.prompts[str(call.at)] = [dict(message) for message in requests[0].messages]
        return super().complete(requests)


def outcome(workers: int, seed: int, seconds: float = 0.004) -> tuple[str, Any, Any]:
    """Digest, decisions and prompts of one run with random latencies."""
    wire = Asked(seconds=seconds, seed=seed)
    result = trainer(stack(wire, cache=False), workers=workers, journal=False, seed=3).train()
    return result.sha256, (result.history, dict(result.best.values), result.spent["calls"]), wire.prompts


@pytest.mark.parametrize("runs", [2, pytest.param(7, marks=pytest.mark.faults)])
def test_one_outcome_at_any_number_of_workers(runs: int) -> None:
    found = [outcome(workers, seed) for workers in (1, 4, 32) for seed in range(runs if workers > 1 else max(1, runs // 3))]
    assert all(one == found[0] for one in found)
    assert found[0][1][0], "something was decided"
    print(f"R5: distinct outcomes 1 of {len(found)} runs (sha256, decisions, values, every prompt by coordinate)")


def test_seeds_give_different_searches() -> None:
    results = [trainer(stack(Logged(), cache=False), journal=False, seed=seed).train() for seed in (1, 2)]
    assert results[0].history != results[1].history


def test_a_warm_cache_changes_nothing_but_the_price(tmp_path: Path) -> None:
    results, asked = [], []
    for workers in (8, 2):
        wire = Logged()
        results.append(trainer(stack(wire, cache=tmp_path / "c.sqlite"), journal=False, workers=workers).train())
        asked.append(wire.count)
    assert results[0].sha256 == results[1].sha256
    assert results[0].history == results[1].history
    assert asked[0] > 0
    assert asked[1] == 0
    assert results[1].spent["calls"] == 0
    cold = trainer(stack(Logged(), cache=False), journal=False).train()
    assert cold.sha256 == results[0].sha256


def test_a_journal_changes_nothing(tmp_path: Path) -> None:
    results = [trainer(stack(Logged(), cache=False), journal=on, home=tmp_path).train() for on in (False, True)]
    assert results[0].to_json() == results[1].to_json()


def footprint() -> tuple[int, int, int]:
    """Live nodes, threads, open handles."""
    for _ in range(50):
        gc.collect()
        if not any(t.name.startswith("paragrad-worker") for t in threading.enumerate()):
            break
        time.sleep(0.02)
    nodes = sum(issubclass(type(x), Node) for x in gc.get_objects())
    return nodes, threading.active_count(), len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("runs", [15, pytest.param(70, marks=pytest.mark.faults)])
def test_a_long_run_leaves_nothing_behind(tmp_path: Path, runs: int) -> None:
    def once() -> int:
        result = trainer(stack(Logged(script=reply), cache=False), home=tmp_path).train()
        return int(result.spent["calls"])

    once()
    before = footprint()
    done = sum(once() for _ in range(runs))
    assert footprint() == before
    print(f"R11: {done} evaluations, nodes, threads and handles before and after {before}")
